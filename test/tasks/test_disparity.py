"""Depth from a network that predicts disparity."""

import numpy as np

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.tasks import depth
from mtscene_ros.types import CameraFrame, Intrinsics


def test_disparity_becomes_metres() -> None:
    options = {
        'convention': 'disparity',
        'baseline_m': 0.2,
        'focal_px': 2000.0,
        'min_m': 1.0,
        'max_m': 200.0,
    }
    frame = CameraFrame(np.zeros((1, 3, 3), np.uint8), Intrinsics(3, 1, 1000, 1000, 1, 0), 0, '')
    disparity_px = np.array([[40.0, 0.0, 500.0]], np.float32)
    result = depth.decoder(options)({'depth': disparity_px}, Letterbox(3, 1, 3, 1), frame)
    # 0.2 m * 2000 px / 40 px = 10 m for the training camera, half of it at half the focal length.
    np.testing.assert_allclose(result.depth_m, [[5.0, np.inf, -np.inf]], rtol=1e-5)


def test_a_disparity_below_a_pixel_is_far_away() -> None:
    """A wide range: 400 px m / 0.01 px = 40 km."""
    options = {'convention': 'disparity', 'baseline_m': 0.2, 'focal_px': 2000.0, 'min_m': 1.0}
    frame = CameraFrame(np.zeros((1, 1, 3), np.uint8), Intrinsics(1, 1, 2000, 2000, 0, 0), 0, '')
    decode = depth.decoder(options | {'max_m': 1e6})
    result = decode({'depth': np.array([[0.01]], np.float32)}, Letterbox(1, 1, 1, 1), frame)
    np.testing.assert_allclose(result.depth_m, [[40_000]], rtol=1e-5)
