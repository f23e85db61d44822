"""Folders of registered colour and depth images."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.rgbd_folder import read_rgbd, rgbd_names

CAMERA: dict[str, object] = {'fx': 50.0, 'fy': 51.0, 'cx': 4.0, 'cy': 3.0}


def written(folder: Path, camera: dict[str, object], colour: str = 'rgb') -> Path:
    for name in (colour, 'depth'):
        (folder / name).mkdir(parents=True)
    rgb = np.zeros((6, 8, 3), np.uint8)
    rgb[..., 0] = 200
    depth = np.full((6, 8), 1500, np.uint16)
    depth[0, 0] = 0
    cv2.imwrite(str(folder / colour / '000004.png'), rgb[..., ::-1])
    cv2.imwrite(str(folder / 'depth/000004.png'), depth)
    (folder / 'intrinsics.json').write_text(json.dumps(camera))
    return folder


@pytest.mark.parametrize('colour', ['rgb', 'color'])
def test_a_frame_is_read_in_metres(tmp_path: Path, colour: str) -> None:
    folder = written(tmp_path, CAMERA, colour)
    assert rgbd_names(folder) == ['000004.png']
    frame = read_rgbd(folder, '000004.png')
    assert frame.rgb[0, 0].tolist() == [200, 0, 0]
    assert np.isnan(frame.depth_m[0, 0])
    assert frame.depth_m[1, 0] == 1.5
    assert (frame.intrinsics.fy_px, frame.intrinsics.cx_px) == (51.0, 4.0)


def test_the_scale_of_the_depth_is_that_of_the_calibration(tmp_path: Path) -> None:
    folder = written(tmp_path, {**CAMERA, 'depth_scale_to_metres': 0.0002})  # TUM: 1 / 5000
    assert read_rgbd(folder, '000004.png').depth_m[1, 1] == pytest.approx(0.3)


@pytest.mark.parametrize('scale', [0, 1000, True, 'mm'])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, scale: object) -> None:
    folder = written(tmp_path, {**CAMERA, 'depth_scale_to_metres': scale})
    with pytest.raises(DataError, match=r'intrinsics\.json: depth_scale_to_metres'):
        read_rgbd(folder, '000004.png')


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='rgb is not a folder; it should contain the colour'):
        rgbd_names(tmp_path)
    folder = written(tmp_path, {'fx': 50.0})
    with pytest.raises(DataError, match=r'intrinsics\.json: the calibration is broken'):
        read_rgbd(folder, '000004.png')
