from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mtscene_ros.worlds import traffic
from mtscene_ros.worlds.parts import LAMP, RED, WHITE, centred
from mtscene_ros.worlds.road import random_road
from mtscene_ros.worlds.solid import Solid
from mtscene_ros.worlds.traffic import Actor, Claim


@pytest.mark.parametrize('build', list(traffic._BUILD.values()))
def test_white_lamps_in_front_and_red_ones_behind(
    build: Callable[[np.random.Generator], list[Solid]],
) -> None:
    lamps = [p for p in build(np.random.default_rng(0)) if p.look.material == LAMP]
    assert {WHITE, RED} <= {p.look.color for p in lamps}
    assert all(p.center_m[0] > 0 for p in lamps if p.look.color == WHITE)
    assert all(p.center_m[0] < 0 for p in lamps if p.look.color == RED)


@pytest.mark.parametrize('kind', list(traffic._BUILD))
def test_sizes_are_those_of_their_class(kind: int) -> None:
    low = [(3.5, 1.7, 1.3), (6, 2, 1.6), (9, 2.4, 2.8), (16, 2.6, 3.4)]
    low += [(1.7, 0.6, 1.3), (1.5, 0.5, 1.5)]
    high = [(5.5, 2.3, 2.2), (11.1, 2.7, 4), (13.3, 3.3, 3.5), (26.1, 3.1, 4.2)]
    high += [(2.5, 0.9, 2), (2, 0.8, 2.1)]
    for seed in range(20):
        _, half = centred(traffic._BUILD[kind](np.random.default_rng(seed)))
        assert (2 * half >= low[kind]).all(), 2 * half
        assert (2 * half <= high[kind]).all(), 2 * half


def test_claims_that_overlap_later() -> None:
    slow, fast = Claim(20, 0, 2, 1, (5.0, 0.0)), Claim(0, 0, 2, 1, (10.0, 0.0))
    assert not slow.overlaps(fast, np.zeros(1))
    assert slow.overlaps(fast, np.arange(0, 4.2, 0.2))  # 20 m closed at 5 m/s
    assert not slow.overlaps(Claim(20, 3, 2, 1), np.zeros(1))


def test_road_place_and_locate_are_inverse() -> None:
    road = random_road(np.random.default_rng(0))
    bend = replace(road, curvature=0.005)
    x, y, heading = bend.place(50.0, -3.0)
    assert heading == pytest.approx(0.25)
    np.testing.assert_allclose(bend.locate(np.array([x]), np.array([y])), [[50], [-3]])


def test_actor_moves_along_its_own_heading() -> None:
    road = random_road(np.random.default_rng(1))
    straight = replace(road, curvature=0.0)
    half = np.array([2.0, 1.0, 0.7])
    _, box = Actor(0, [], half, 30.0, 2.0, np.pi, 4.0).at(straight, 0.5, 1)
    np.testing.assert_allclose(box.center_m, [28, 2, 0.7])
    np.testing.assert_allclose(box.world_from_local[:, 0], [-1, 0, 0], atol=1e-12)
