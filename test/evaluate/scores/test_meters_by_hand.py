"""Meters against numbers worked out by hand, and against loops over pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtscene_ros.evaluate.scores import meters, saliency_meter

NAMES = ['road', 'car', 'sky']
Labels = arrays(np.uint8, (2, 10), elements=st.sampled_from([0, 1, 2, 255]))


@given(Labels)
def test_labels_as_loops_count_them(pair: np.ndarray) -> None:
    answer, truth = pair.tolist()
    known = [(a, t) for a, t in zip(answer, truth, strict=True) if t != 255]
    meter = meters.LabelMeter(NAMES)
    of_image, ious, present = meter.update(pair[:1], pair[1:]), [], []
    for k in range(3):
        both, either = known.count((k, k)), sum(a == k or t == k for a, t in known)
        ious.append(100 * both / max(either, 1))
        present += [ious[-1]] if either else []
    right = sum(a == t for a, t in known) / len(known) * 100 if known else math.nan
    found = meter.scores()
    assert [found[f'iou {n}'] for n in NAMES] == pytest.approx(ious)
    want = dict.fromkeys(('miou', 'present_miou', 'accuracy'), math.nan)
    if present:
        means = {'miou': sum(ious) / 3, 'present_miou': sum(present) / len(present)}
        want = {**means, 'accuracy': right}
    assert {n: found[n] for n in want} == pytest.approx(want, nan_ok=True)
    assert of_image == pytest.approx(want, nan_ok=True)


def test_labels_of_other_classes_are_refused() -> None:
    meter, zero = meters.LabelMeter(NAMES), np.zeros((1, 2), np.uint8)
    meter.update(zero, np.array([[2, 255]], np.uint8))
    with pytest.raises(ValueError, match='class id 3, but the network has 3 classes'):
        meter.update(zero, np.array([[3, 255]], np.uint8))
    with pytest.raises(ValueError, match='no common score'):
        meter.add(meters.LabelMeter(NAMES[:2]).state())
    assert meter.present() == ['road', 'sky']


def test_depth_by_hand() -> None:
    """Factors 1.2, 1.25 (not below the limit), 1.5 and 1.9; three pixels have no truth."""
    truth = np.array([[5.0, 4.0, 2.0, 10.0, 0.0, np.nan, np.inf]])
    answer = np.array([[6.0, 5.0, 3.0, 19.0, 1.0, 1.0, 1.0]])
    found = meters.DepthMeter().update(answer, truth)
    assert (found['delta1'], found['delta2'], found['delta3']) == (0.25, 0.75, 1.0)
    assert found['abs_rel'] == pytest.approx((0.2 + 0.25 + 0.5 + 0.9) / 4)
    assert found['sq_rel'] == pytest.approx((1 / 5 + 1 / 4 + 1 / 2 + 81 / 10) / 4)
    assert found['rmse'] == pytest.approx(math.sqrt((1 + 1 + 1 + 81) / 4))
    logs = [math.log(f) ** 2 for f in (1.2, 1.25, 1.5, 1.9)]
    assert found['log_rmse'] == pytest.approx(math.sqrt(sum(logs) / 4))
    assert found['coverage'] == 1


def test_a_pixel_without_an_answer_counts_against_the_deltas_alone() -> None:
    answer = np.array([[4.0, np.nan, np.inf, -np.inf]])
    found = meters.DepthMeter().update(answer, np.full((1, 4), 4.0))
    assert (found['delta1'], found['coverage'], found['abs_rel']) == (0.25, 0.25, 0)


def test_nothing_has_no_score() -> None:
    assert math.isnan(meters.DepthMeter().scores()['abs_rel'])
    assert math.isnan(meters.SumMeter('normals').scores()['mean_deg'])
    assert math.isnan(meters.SumMeter('values').scores()['rmse'])
    assert math.isnan(meters.LabelMeter(NAMES).scores()['present_miou'])
    assert all(math.isnan(s) for s in saliency_meter.SaliencyMeter().scores().values())


def test_bins_of_depth_add_up() -> None:
    """(0, 10] and (10, 50]; 60 lies in none."""
    meter, part = meters.DepthMeter((0.0, 10.0, 50.0)), meters.DepthMeter((0.0, 10.0, 50.0))
    part.update(np.array([[10.0, 20.0, 60.0]]), np.array([[10.0, 10.5, 60.0]]))
    for _ in range(2):
        meter.add(part.state())
    assert [b['truths'] for b in meter.bins] == [2, 2]
    assert meter.total['truths'] == 6
    with pytest.raises(ValueError, match='zip'):
        meter.add(meters.DepthMeter((0.0, 10.0)).state())


def test_normals_by_hand() -> None:
    """A right angle, 29, 22 and 11 degrees; one pixel is unknown."""
    angles = np.radians([90.0, 29.0, 22.0, 11.0, 5.0])
    answer = np.stack([np.sin(angles), np.zeros(5), -np.cos(angles)], -1)
    truth = np.tile([0.0, 0.0, -1.0], (5, 1))
    truth[4] = 0
    found = meters.SumMeter('normals').update(answer, truth)
    assert found['mean_deg'] == pytest.approx(152 / 4)
    assert (found['within_11'], found['within_22'], found['within_30']) == (0.25, 0.5, 0.75)


def test_values_by_hand() -> None:
    meter = meters.SumMeter('values')
    found = meter.update(np.array([1.0, 5, 9]), np.array([2.0, 2, np.nan]))
    assert found == pytest.approx({'rmse': math.sqrt(5), 'mae': 2})
    meter.add(meter.state())
    assert meter.state() == {'total': {'truths': 4, 'squared': 20, 'absolute': 8}}


def test_a_probability_at_a_threshold_reaches_it() -> None:
    thresholds = saliency_meter.THRESHOLDS
    right, found, truths = saliency_meter.curve(
        thresholds[[0, 9, 18]], np.array([True, False, True])
    )
    assert found.tolist() == [3] + [2] * 9 + [1] * 9
    assert right.tolist() == [2] + [1] * 18
    assert truths.tolist() == [2] * 19


def test_f_measure_by_hand() -> None:
    """Two of three are found, beside one that is none: precision 2/3, recall 2/3."""
    answer, truth = np.array([[0.9, 0.9, 0.9, 0.0, 0.9]]), np.array([[1, 1, 0, 1, 255]], np.uint8)
    found = saliency_meter.SaliencyMeter().update(answer.astype(np.float32), truth)
    assert found['max_f'] == pytest.approx(100 * 2 / 3)
    counts = np.array([[1.0, 2], [1, 8], [4, 4]])  # precision 1 and 1/4, recall 1/4 and 1/2
    one = 1.3 * 1 * 0.25 / (0.3 * 1 + 0.25)
    assert saliency_meter.best_f(counts) == pytest.approx(100 * one)


def test_a_truth_of_fewer_classes_than_the_model_has() -> None:
    """Two of three classes: a (2 of 3 pixels, one is called c) and b (1 of 1)."""
    truth, answer = np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, 2, 1]], np.uint8)
    every, two = meters.LabelMeter(['a', 'b', 'c']), meters.LabelMeter(['a', 'b', 'c'], (0, 1))
    assert every.update(answer, truth)['miou'] == pytest.approx((200 / 3 + 100) / 3)
    assert two.update(answer, truth)['miou'] == pytest.approx((200 / 3 + 100) / 2)
    part = meters.LabelMeter(['a', 'b', 'c'], (0, 1))
    part.add(two.state())
    assert part.scores()['present_miou'] == pytest.approx((200 / 3 + 100) / 2)
    part.update(np.zeros((1, 1), np.uint8), np.full((1, 1), 255, np.uint8))
    nothing = meters.LabelMeter(['a', 'b', 'c'], (0, 1))
    assert math.isnan(nothing.update(answer, np.full_like(truth, 255))['miou'])
