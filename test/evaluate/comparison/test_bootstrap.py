"""Intervals of differences, checked on numbers whose spread is known."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from mtscene_ros.evaluate.comparison.bootstrap import interval, over_frames, over_sequences


def test_interval_is_the_middle_95_percent() -> None:
    assert interval(np.arange(0.0, 1001)) == pytest.approx((25.0, 975.0))
    assert interval(np.array([math.nan, 2.0])) == (2.0, 2.0)
    assert all(map(math.isnan, interval(np.array([math.nan]))))


def test_equal_changes_have_no_spread() -> None:
    rng = np.random.default_rng(0)
    assert over_sequences(3, lambda chosen: {'x': 0.5}, rng) == {'x': (0.5, 0.5)}
    assert over_frames(np.full(50, -2.0), rng) == (-2.0, -2.0)


def test_sequences_are_drawn_whole() -> None:
    """Of changes 0 and 1 the means can only be 0, a half and 1: a quarter, a half, a quarter."""
    seen = set()

    def change(chosen: Sequence[int]) -> dict[str, float]:
        seen.add(tuple(chosen))
        return {'x': float(np.mean(chosen))}

    assert over_sequences(2, change, np.random.default_rng(1)) == {'x': (0.0, 1.0)}
    assert seen == {(0, 0), (0, 1), (1, 1)}


def test_independent_frames_give_the_standard_error() -> None:
    """On average over 30 drives; that of one is as uncertain as a variance of 20 runs."""
    widths = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found = over_frames(rng.normal(3, 1, 400), rng)
        assert found is not None
        assert found[0] < found[1]
        widths.append(found[1] - found[0])
    assert np.mean(widths) == pytest.approx(2 * 1.96 / math.sqrt(400), rel=0.1)


def test_frames_that_resemble_their_neighbours_are_less_sure() -> None:
    """Twenty levels of twenty equal frames: the error of 20 numbers, not of 400."""
    values = np.repeat(np.random.default_rng(2).normal(0, 1, 20), 20)
    found = over_frames(values, np.random.default_rng(3), 4000)
    assert found is not None
    expected = 2 * 1.96 * values.std() / math.sqrt(20)
    assert 0.6 * expected < found[1] - found[0] < 1.2 * expected


def test_the_seed_decides() -> None:
    values = np.random.default_rng(0).normal(size=30)
    found = [over_frames(values, np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert found[0] == found[1] != found[2]


def test_one_frame_has_no_interval() -> None:
    assert over_frames(np.array([1.0, math.nan]), np.random.default_rng(0)) is None
