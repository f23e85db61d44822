"""Metrics against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtscene_ros.evaluate.scores.metrics import (
    Detections,
    angle_difference_rad,
    average_precision,
    confusion,
    iou_per_class,
    match_centers,
    size_error,
)


def test_iou_counts_missing_answers_and_skips_unlabeled() -> None:
    truth = np.array([[0, 0, 0, 1, 255]], np.uint8)
    labels = np.array([[0, 0, 255, 0, 1]], np.uint8)
    iou = iou_per_class(confusion(labels, truth, 3))
    assert iou[0] == pytest.approx(2 / 4)
    assert iou[1] == 0
    assert np.isnan(iou[2])


def test_the_better_score_takes_the_truth() -> None:
    truth = np.array([[0.0, 0, 10], [0, 0, 50]])
    centers = np.array([[0.0, 0, 10.5], [0, 0, 11], [0, 0, 50], [0, 0, 30]])
    scores = np.array([0.5, 0.9, 0.8, 0.7], np.float32)
    matches, ignored = match_centers(centers, scores, truth, np.array([True, False]), 2.0)
    assert matches.tolist() == [-1, 0, -1, -1]
    assert ignored.tolist() == [False, False, True, False]


def test_average_precision() -> None:
    scores, yes, no = np.array([0.9, 0.8]), np.array([True, True]), np.array([False, False])
    assert average_precision(scores, yes, 2) == pytest.approx(1.0)
    assert average_precision(scores, no, 2) == 0.0
    assert average_precision(np.array([]), np.array([], bool), 2) == 0.0
    assert np.isnan(average_precision(scores, no, 0))
    half = average_precision(scores, yes, 4)  # precision 1 up to recall 0.5, then none
    assert half == pytest.approx(40 / 90)


def test_angles_wrap() -> None:
    apart = angle_difference_rad(np.array([3.1, 0.5]), np.array([-3.1, 0.2]))
    np.testing.assert_allclose(apart, [2 * np.pi - 6.2, 0.3])


LABELS = arrays(np.uint8, (2, 12), elements=st.sampled_from([0, 1, 2, 3, 255]))


@given(LABELS)
def test_confusion_and_iou_as_loops_find_them(pair: np.ndarray) -> None:
    labels, truth = pair.tolist()
    counts = np.zeros((3, 4), int)
    for got, want in zip(labels, truth, strict=True):
        if want < 3:
            counts[want, min(got, 3)] += 1
    found = confusion(pair[:1], pair[1:], 3)
    assert found.tolist() == counts.tolist()
    for k, iou in enumerate(iou_per_class(found)):
        known = [
            (got == k, want == k) for got, want in zip(labels, truth, strict=True) if want < 3
        ]
        both, either = sum(a and b for a, b in known), sum(a or b for a, b in known)
        assert iou == pytest.approx(both / either if either else np.nan, nan_ok=True)


def slow_average_precision(rows: list[tuple[float, bool]], truths: int) -> float:
    """By the definition: precision at each recall between the points of the curve."""
    points: list[tuple[float, float]] = []
    for k, (_, _) in enumerate(rows, 1):
        found = sum(hit for _, hit in rows[:k])
        points.append((found / truths, found / k))
    total = 0.0
    for percent in range(11, 101):
        recall = percent / 100
        precision = np.interp(recall, *zip(*points, strict=True), right=0.0) if points else 0.0
        total += max(float(precision) - 0.1, 0)
    return total / 90 / 0.9


@given(st.lists(st.booleans(), max_size=15), st.integers(0, 5))
def test_average_precision_as_loops_find_it(hits: list[bool], missed: int) -> None:
    truths = max(1, sum(hits) + missed)
    rows = [(1 - 0.05 * k, hit) for k, hit in enumerate(hits)]  # best first
    expected = slow_average_precision(rows, truths)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    scores = np.array([rows[i][0] for i in shuffled])
    found = average_precision(scores, np.array([rows[i][1] for i in shuffled], bool), truths)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_pair_at_the_limit_belongs_together() -> None:
    truth, score = np.array([[0.0, 0, 10], [0, 0, 20]]), np.ones(2, np.float32)
    centers = np.array([[0.0, 2, 10], [2, 0, 20]])
    matches, ignored = match_centers(centers, score, truth, np.array([True, False]), 2.0)
    assert (matches.tolist(), ignored.tolist()) == ([0, -1], [False, True])
    matches, ignored = match_centers(centers, score, truth, np.array([True, False]), 1.9)
    assert (matches.tolist(), ignored.tolist()) == ([-1, -1], [False, False])
    assert match_centers(centers, score, np.zeros((0, 3)), np.zeros(0, bool), 2.0)[0].max() == -1


def test_the_nearest_free_truth_is_taken() -> None:
    truth = np.array([[0.0, 0, 10], [0, 0, 11]])
    centers, scores = np.array([[0.0, 0, 10.9], [0, 0, 11]]), np.array([0.9, 0.8], np.float32)
    matches, _ = match_centers(centers, scores, truth, np.ones(2, bool), 2.0)
    assert matches.tolist() == [1, 0]


def test_detections_add_up() -> None:
    total, image = Detections(), Detections(2, [0.5], [True])
    image.yaw_errors_rad, image.distances_m = [np.pi, 0.0], [1.0]
    for _ in range(2):
        total.extend(image)
    result = total.result()
    assert (result['truths'], result['recall'], result['yaw_error_deg']) == (4, 0.5, 90)
    assert (result['distance_m'], len(total.scores)) == (1, 2)
    assert np.isnan(result['size_error'])
    assert np.isnan(Detections().result()['recall'])


def test_size_error_by_hand() -> None:
    """2 x 2 x 2 and 4 x 1 x 2: 4 of 8 + 8 - 4 in common."""
    found = size_error(np.array([[2.0, 2, 2], [1, 2, 3]]), np.array([[4.0, 1, 2], [1, 2, 3]]))
    np.testing.assert_allclose(found, [1 - 4 / 12, 0])
