"""How far a model sees through a lens."""

import numpy as np
import pytest
from conftest import tiny_spec

from mtscene_ros.tasks.reach import reach_m, reach_sentence
from mtscene_ros.types import CameraFrame, Intrinsics


def test_half_the_focal_length_reaches_half_as_far() -> None:
    """The tiny network has 32 px of width and of focal length; a camera of 64 px half as many."""
    spec = tiny_spec()
    far_m = spec.tasks['depth']['max_m']
    for focal_px, expected_m in ((64.0, far_m), (32.0, far_m / 2)):
        camera = Intrinsics.centered(64, 32, focal_px)
        frame = CameraFrame(np.zeros((32, 64, 3), np.uint8), camera, 0, 'cam')
        assert reach_m(spec, frame)['depth'] == pytest.approx(expected_m)
    assert f'Depth reaches to {far_m / 2:.1f} m' in reach_sentence(spec, frame)
    assert reach_sentence(spec, frame).endswith('(fx 32.0 px in 64 px of width).')


def test_without_a_calibration_nothing_is_metric() -> None:
    frame = CameraFrame(np.zeros((32, 64, 3), np.uint8), None, 0, 'cam')
    assert reach_sentence(tiny_spec(), frame) == ''
