"""Calibration files as ROS writes them, and as people break them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtscene_ros.camera.calibration_file import CalibrationError, read_calibration, scaled

CALIBRATED = """
image_width: 640
image_height: 480
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 319.5, 0, 510, 239.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}
"""
ECHOED = """
width: 640
height: 480
distortion_model: plumb_bob
d: [0.1, 0, 0, 0, 0]
k: [500, 0, 319.5, 0, 510, 239.5, 0, 0, 1]
---
"""


def saved(folder: Path, text: str) -> Path:
    (folder / 'camera.yaml').write_text(text)
    return folder / 'camera.yaml'


@pytest.mark.parametrize('text', [CALIBRATED, ECHOED])
def test_both_forms_say_the_same(tmp_path: Path, text: str) -> None:
    info = read_calibration(saved(tmp_path, text))
    assert (info.width, info.height, info.distortion_model) == (640, 480, 'plumb_bob')
    assert info.k == [500, 0, 319.5, 0, 510, 239.5, 0, 0, 1]
    assert info.d == [0.1, 0, 0, 0, 0]


def test_half_the_size_keeps_the_middle(tmp_path: Path) -> None:
    """The middle of 640 pixels is 319.5, that of 320 is 159.5."""
    info = scaled(read_calibration(saved(tmp_path, CALIBRATED)), 320, 240)
    assert (info.width, info.height) == (320, 240)
    assert info.k == [250, 0, 159.5, 0, 255, 119.5, 0, 0, 1]


def test_other_proportions_are_refused(tmp_path: Path) -> None:
    info = read_calibration(saved(tmp_path, CALIBRATED))
    with pytest.raises(CalibrationError, match='640x480 pixels, the image has 640x360'):
        scaled(info, 640, 360)


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('', 'holds no keys'),
        ('- 1', 'holds no keys'),
        ('a: [', 'is not YAML'),
        ('width: 640', 'no calibration .*height'),
        (CALIBRATED.replace('0, 0, 1]', '0]'), '7 instead of 9 numbers'),
        (CALIBRATED.replace('640', 'wide'), 'no calibration'),
        (CALIBRATED.replace('640', '0'), 'no calibration'),
    ],
)
def test_what_is_no_calibration_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(CalibrationError, match=sentence):
        read_calibration(saved(tmp_path, text))


def test_a_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match='cannot be read'):
        read_calibration(tmp_path / 'none.yaml')
