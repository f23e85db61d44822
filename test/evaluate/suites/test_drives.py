"""The truth, handed in as the result, must be perfect; nothing must be worth nothing."""

import numpy as np
import pytest

from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.evaluate.scores.meters import DepthMeter
from mtscene_ros.evaluate.suites.drives import Score, depth_summary, depth_within, table
from mtscene_ros.types import UNLABELED, Boxes3D, CameraFrame, DepthMap, LabelMap, Result, Scene
from mtscene_ros.worlds.drive import drive_frame
from mtscene_ros.worlds.frame import WorldFrame

TRUTH = drive_frame(3, 0, 256, 128)


def scene(truth: WorldFrame, boxes: Boxes3D, depth_m: np.ndarray) -> Scene:
    frame = CameraFrame(truth.rgb, truth.intrinsics, 0, 'camera')
    labels = LabelMap(truth.labels, truth.labels, CITYSCAPES_19)
    results: dict[str, Result] = {'semantic': labels, 'depth': DepthMap(depth_m), 'boxes3d': boxes}
    return Scene(frame, results, {'infer': 0.02})


def test_truth_scores_one() -> None:
    score = Score()
    score.add(scene(TRUTH, TRUTH.boxes, TRUTH.depth_m), TRUTH)
    result = score.result()
    assert result['semantic']['present_miou'] == 1
    occurring = len(np.unique(TRUTH.labels[TRUTH.labels != UNLABELED]))
    assert occurring < 19
    assert result['semantic']['miou'] == pytest.approx(occurring / 19)
    assert result['depth']['delta1'] == 1
    assert result['boxes3d']['map'] == pytest.approx(1)
    assert result['boxes3d']['car_within_40_m']['yaw_error_deg'] == pytest.approx(0, abs=1e-5)
    assert '| road | 1.000 |' in table(result)


def test_depth_beyond_60_m_is_not_scored_and_no_answer_costs_coverage() -> None:
    truth = np.array([[10.0, 20.0, 40.0, 30.0, 70.0, np.inf]], np.float32)
    depth = np.array([[11.0, 30.0, np.inf, -1.0, 1.0, 1.0]], np.float32)
    meter = DepthMeter()
    meter.update(*depth_within(depth, truth))
    assert depth_summary(meter) == {
        'abs_rel': pytest.approx((0.1 + 0.5) / 2),
        'rmse_m': pytest.approx(np.sqrt((1 + 100) / 2)),
        'delta1': pytest.approx(1 / 4),
        'coverage': pytest.approx(2 / 4),
    }


def test_a_depth_at_the_limit_and_a_factor_at_the_limit() -> None:
    """60 m is scored; 5 m instead of 4 m is not within a factor of 1.25, and no depth is 0."""
    meter = DepthMeter()
    depth, truth = np.array([[66.0, 5, 4, 0, 1], [60, 4, 4, 4, 0]], np.float32)
    meter.update(*depth_within(depth[None], truth[None]))
    found = depth_summary(meter)
    assert (found['delta1'], found['coverage']) == (2 / 4, 3 / 4)
    assert found['abs_rel'] == pytest.approx((0.1 + 0.25 + 0) / 3)


def test_nothing_found_scores_zero() -> None:
    score = Score()
    none = TRUTH.boxes.select(np.zeros(0, np.int64))
    score.add(scene(TRUTH, none, np.full_like(TRUTH.depth_m, np.inf)), TRUTH)
    result = score.result()
    assert result['boxes3d']['map'] == 0
    assert result['depth']['coverage'] == 0
