"""Normals, boundary, saliency, human parts: from tensors to camera pixels."""

import numpy as np
import pytest
from conftest import class_options

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.tasks import TASKS, normals, task_of
from mtscene_ros.types import CameraFrame, LabelMap, ProbabilityMap

FRAME = CameraFrame(np.zeros((2, 4, 3), np.uint8), None, 0, 'camera')  # not even calibrated
SAME = Letterbox(4, 2, 4, 2)


def test_normals_turn_into_the_optical_frame_and_to_unit_length() -> None:
    raw = np.zeros((3, 2, 4), np.float32)
    raw[:, :, :2] = np.array([0.0, 0.3, 0.4])[:, None, None]  # down and towards the camera
    raw[:, :, 2:] = np.array([0.0, 0.0, 0.01])[:, None, None]  # opposite ones, averaged
    found = normals.decoder({'signs': [1, 1, -1]})({'normals': raw}, SAME, FRAME).normals
    np.testing.assert_allclose(found[0, 0], [0, 0.6, -0.8], atol=1e-6)
    assert np.isnan(found[:, 2:]).all()


@pytest.mark.parametrize('signs', [[1, 1], [1, 1, 0.5], [1, 1, 1, 1]])
def test_signs_that_are_none(signs: list[float]) -> None:
    with pytest.raises(ValueError, match='not three of 1 and -1'):
        normals.decoder({'signs': signs})


def test_a_probability_is_interpolated() -> None:
    raw = {'boundary': np.array([[0.0, 1.0]], np.float16)}
    found = TASKS['boundary'].decoder({})(raw, Letterbox(4, 2, 4, 2), FRAME)
    assert isinstance(found, ProbabilityMap)
    assert not TASKS['boundary'].NEEDS_INTRINSICS
    np.testing.assert_allclose(found.probability, [[0, 0.25, 0.75, 1]] * 2, atol=0.02)


def test_human_parts_are_labels_of_their_own() -> None:
    labels = np.array([[1, 2]], np.uint8)
    raw = {'human_parts_labels': labels, 'human_parts_confidence': labels * 100}
    decode = TASKS['human_parts'].decoder({'classes': class_options(DRIVE_BOXES)})
    found = decode(raw, Letterbox(4, 2, 4, 2), FRAME)
    assert isinstance(found, LabelMap)
    assert found.labels.tolist() == [[1, 1, 2, 2]] * 2
    assert found.confidence[0].tolist() == [100, 100, 200, 200]


@pytest.mark.parametrize(('length', 'is_known'), [(0.1, True), (0.09, False), (1.0, True)])
def test_a_mean_of_directions_that_contradict_each_other_is_unknown(
    length: float, is_known: bool
) -> None:
    raw = np.zeros((3, 2, 4), np.float32)
    raw[1] = length
    found = normals.decoder({'signs': [-1, -1, 1]})({'normals': raw}, SAME, FRAME).normals
    assert np.isfinite(found).all() == is_known
    if is_known:
        np.testing.assert_allclose(found[1, 3], [0, -1, 0])


def test_normals_are_interpolated_and_need_no_calibration() -> None:
    raw = np.zeros((3, 1, 2), np.float32)
    raw[:, 0] = [[1, 0], [0, 1], [0, 0]]  # right, then down
    found = normals.decoder({'signs': [1, 1, 1]})({'normals': raw}, SAME, FRAME).normals
    # A quarter and three quarters of the way: (3, 1) and (1, 3), to unit length.
    np.testing.assert_allclose(found[0, 1:3, :2] ** 2, [[0.9, 0.1], [0.1, 0.9]], atol=1e-6)
    assert not normals.NEEDS_INTRINSICS


def test_a_value_is_interpolated() -> None:
    task = task_of('warmth', {'kind': 'values'})
    assert (task.OUTPUTS, task.NEEDS_INTRINSICS) == (('warmth',), False)
    decode = task.decoder({'kind': 'values'})
    found = decode({'warmth': np.array([[-8.0, 8.0]], np.float32)}, Letterbox(4, 2, 4, 2), FRAME)
    np.testing.assert_allclose(found.values, [[-8, -4, 4, 8]] * 2)
    with pytest.raises(KeyError):
        task_of('warmth', {})
