"""Pictures of errors, pixel by pixel."""

import numpy as np

from mtscene_ros.evaluate.pages.pictures import (
    UNKNOWN_RGB,
    WRONG_RGB,
    PictureStyle,
    depth_error_rgb,
    normals_rgb,
    views_of,
)
from mtscene_ros.evaluate.pages.slider import thinned
from mtscene_ros.types import UNLABELED, CameraFrame, DepthMap, LabelMap, Result, SemanticClass

CLASSES = (SemanticClass(0, 'a', (255, 0, 0)), SemanticClass(1, 'b', (0, 0, 255)))
LOOK = PictureStyle(width_px=4, depth_max_m=20.0)
FRAME = CameraFrame(np.full((2, 4, 3), 100, np.uint8), None, 0, 'optical')


def labels(values: list[list[int]]) -> Result:
    ids = np.array(values, np.uint8)
    return LabelMap(ids, np.full_like(ids, 255), CLASSES)


def test_wrong_labels_are_red_and_unknown_ones_grey() -> None:
    printed, true = labels([[0, 0, 1, 1]] * 2), labels([[0, 1, 1, UNLABELED]] * 2)
    views = views_of('semantic', FRAME, {'semantic': printed}, {'semantic': true}, LOOK)
    assert views is not None
    assert views.error is not None
    assert views.error[0].tolist() == [[70] * 3, list(WRONG_RGB), [70] * 3, list(UNKNOWN_RGB)]
    assert views.prediction[0, 0].tolist() == [178, 50, 50]  # half the class's colour


def test_depth_errors_are_blue_too_near_white_right_red_too_far() -> None:
    true = np.array([[10, 10, 10, 10, np.nan, 10]], np.float32)
    printed = np.array([[10, 13, 7, 90, 10, np.nan]], np.float32)
    shown = depth_error_rgb(printed, true)[0].tolist()
    right, far, near, unknown = [250] * 3, [190, 24, 32], [28, 78, 190], list(UNKNOWN_RGB)
    assert shown == [right, far, near, far, unknown, unknown]


def test_points_of_a_lidar_become_dots_of_which_the_nearest_is_seen() -> None:
    """One point in a picture of twelve pixels is drawn three wide."""
    true = np.full((40, 40), np.nan, np.float32)
    true[20, 20], true[20, 21] = 10, 5
    frame = CameraFrame(np.zeros((40, 40, 3), np.uint8), None, 0, 'optical')
    results: dict[str, Result] = {'depth': DepthMap(np.full((40, 40), 5, np.float32))}
    views = views_of('depth', frame, results, {'depth': DepthMap(true)}, PictureStyle(12, 20.0))
    assert views is not None
    assert views.error is not None
    white = (views.error == 250).all(2)
    assert white.sum() == 9
    assert white[6, 6]


def test_without_truth_there_is_a_prediction_only() -> None:
    views = views_of('semantic', FRAME, {'semantic': labels([[0] * 4] * 2)}, {}, LOOK)
    assert views is not None
    assert [name for _, name in views.named()] == ['prediction']
    assert views_of('depth', FRAME, {}, {}, LOOK) is None


def test_normals_that_are_not_known_are_grey() -> None:
    normals = np.array([[[0, 0, -1], [np.nan] * 3]], np.float32)
    assert normals_rgb(normals)[0].tolist() == [[128, 128, 0], list(UNKNOWN_RGB)]


def test_a_slider_that_is_too_large_shows_fewer_frames() -> None:
    frames = [{'row': k, 'image': 'x' * 100} for k in range(8)]
    assert [f['row'] for f in thinned(frames, 600)] == [0, 2, 4, 6]
    assert len(thinned(frames, 10**6)) == 8
    assert len(thinned(frames, 1)) == 1
