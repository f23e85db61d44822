"""Blends of two images of a few pixels, computed by hand."""

import numpy as np
import pytest

from mtscene_ros.temporal.blends import (
    Ballot,
    blended_depth,
    blended_normals,
    blended_probability,
    elect,
    own_motion_m,
    vote,
)

F32 = np.float32


def ballot(label: int, votes: float) -> Ballot:
    return Ballot(np.full((1, 1), label, np.uint8), np.full((1, 1), 200, np.uint8),
                  np.full((1, 1), votes, F32))  # fmt: skip


def test_a_vote_is_the_square_of_the_confidence() -> None:
    assert vote(np.array([[255, 51]], np.uint8))[0] == pytest.approx([1, 0.04])


@pytest.mark.parametrize(
    ('new', 'confidence', 'agrees', 'label', 'votes'),
    [
        (3, 255, True, 3, 1.2),  # the same: 0.8 * 1 + 1, at most 1.2
        (5, 51, True, 3, 0.76),  # another, unsure: 0.8 * 1 - 0.04
        (5, 255, True, 5, 0.2),  # another, sure: 0.8 * 1 - 1 is below 0
        (5, 51, False, 5, 0.04),  # a new object, however unsure
    ],
)
def test_the_label_that_has_more_votes_holds(
    new: int, confidence: int, agrees: bool, label: int, votes: float
) -> None:
    sure = np.full((1, 1), confidence, np.uint8)
    labels = np.full((1, 1), new, np.uint8)
    found = elect(labels, sure, ballot(3, 1.0), np.full((1, 1), agrees))
    assert (found.labels[0, 0], found.votes[0, 0]) == (label, pytest.approx(votes))


def test_a_sure_label_wins_with_its_second_image_against_any_votes() -> None:
    before, sure = ballot(3, 1.2), np.full((1, 1), 242, np.uint8)
    seen = []
    for _ in range(2):
        before = elect(np.full((1, 1), 5, np.uint8), sure, before, np.full((1, 1), True))
        seen.append(int(before.labels[0, 0]))
    assert seen == [3, 5]


def test_depth_is_blended_in_log_space_unless_it_is_another_surface() -> None:
    new = np.array([[8.0, 8.0, 8.0, 8.0, np.nan]], F32)
    before = np.array([[10.0, 10.0, 16.0 / 1.2, 30.0, 9.0]], F32)
    agree = np.array([[True, False, True, True, True]])
    depth, agrees = blended_depth(new, before, agree)
    assert depth[0] == pytest.approx([np.sqrt(80), 8, 8, 8, np.nan], nan_ok=True)
    assert agrees.tolist() == [[True, False, True, False, True]]


def test_the_camera_moves_all_that_is_near_by_the_same_metres() -> None:
    before = np.linspace(5, 60, 3000, dtype=F32).reshape(30, 100)
    new = before - 1
    new[:4] = 3  # a car that drives away differs
    assert own_motion_m(new, before, np.ones((30, 100), bool)) == pytest.approx(-1, abs=1e-5)
    assert own_motion_m(new[:1], before[:1], np.ones((1, 100), bool)) == 0


def test_normals_stay_on_the_sphere_and_probabilities_meet_in_the_middle() -> None:
    x, y = np.eye(3, dtype=F32)[:, :2].T
    new, before = (np.stack(v, 1)[:, None] for v in ([x, x], [y, -x]))
    found = blended_normals(new, before, np.ones((1, 2), bool))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found[:, 0], [[half, 1], [half, 0], [0, 0]], atol=1e-6)
    mask = np.array([[True, False]])
    blend = blended_probability(np.ones((1, 2), F32), np.zeros((1, 2), F32), mask)
    assert blend.tolist() == [[0.5, 1]]
