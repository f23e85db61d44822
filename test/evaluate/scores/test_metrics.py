"""Metrics against numbers worked out by hand."""

import numpy as np
import pytest

from mtscene_ros.evaluate.scores.metrics import (
    angle_difference_rad,
    average_precision,
    confusion,
    iou_per_class,
    match_centers,
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
