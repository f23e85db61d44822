from dataclasses import replace

import numpy as np
import pytest

from mtscene_ros.worlds import body, parts
from mtscene_ros.worlds.body import Pose, posed_solids, random_body, walking_pose, walking_solids
from mtscene_ros.worlds.solid import extent

ADULT = replace(random_body(np.random.default_rng(0), parts.PERSON), stature_m=1.8, breadth=1.0)


def top_and_bottom(solids: list[body.Solid]) -> tuple[float, float]:
    top = max(s.center_m[2] + extent(s)[2] for s in solids)
    return top, min(s.center_m[2] - extent(s)[2] for s in solids)


def test_a_standing_person_has_the_given_stature_and_soles_on_the_ground() -> None:
    top, bottom = top_and_bottom(posed_solids(ADULT, Pose()))
    assert top == pytest.approx(1.8, abs=0.04)
    assert bottom == pytest.approx(0, abs=0.001)


def test_half_a_stride_swaps_right_and_left() -> None:
    right, left = walking_pose(0.9).hips
    assert walking_pose(0.9 + np.pi).hips == pytest.approx((left, right))
    assert right == pytest.approx(0.45 * np.sin(0.9))


def test_a_full_stride_returns_to_the_same_pose() -> None:
    walks = replace(ADULT, walks=True)
    after = [walking_solids(walks, walked_m) for walked_m in (0.3, 0.3 + body.STRIDE * 1.8, 0.9)]
    places = [np.array([s.center_m for s in solids]) for solids in after]
    np.testing.assert_allclose(places[0], places[1], atol=1e-9)
    assert np.abs(places[0] - places[2]).max() > 0.1
    still = replace(ADULT, walks=False)
    assert (
        walking_solids(still, 0.3)[5].center_m.tolist()
        == walking_solids(still, 0.9)[5].center_m.tolist()
    )


def test_a_bent_elbow_brings_the_hand_forwards_and_up() -> None:
    hangs, bent = (
        posed_solids(ADULT, Pose(elbows=(e, 0.0)))[8].center_m for e in (0.0, np.pi / 2)
    )
    assert bent[0] - hangs[0] == pytest.approx((0.146 + 0.036) * 1.8 * np.cos(0.1), abs=1e-6)
    assert bent[2] - hangs[2] == pytest.approx((0.146 + 0.036) * 1.8 * np.cos(0.1), abs=1e-6)


def test_a_person_has_every_body_part() -> None:
    assert {s.look.part for s in posed_solids(ADULT, Pose())} == set(range(1, 7))


def test_random_persons_have_human_sizes() -> None:
    for seed in range(20):
        solids = walking_solids(random_body(np.random.default_rng(seed), parts.PERSON), 0.0)
        low = np.min([s.center_m - extent(s) for s in solids], 0)
        size = np.max([s.center_m + extent(s) for s in solids], 0) - low
        assert (size > (0.25, 0.35, 0.95)).all(), size
        assert (size < (1.4, 1.0, 2.05)).all(), size
