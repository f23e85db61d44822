"""Scores on photographs; those that need the recordings skip without them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES, camvid_from_cityscapes
from mtscene_ros.datasets.moments import Moment
from mtscene_ros.estimator import open_model
from mtscene_ros.evaluate.suites.photographs import camvid, kitti
from mtscene_ros.evaluate.truth.lidar import lidar_depth
from mtscene_ros.types import Boxes3D, Intrinsics


def test_every_class_of_cityscapes_has_one_in_camvid() -> None:
    names = {c.name: c.id for c in CITYSCAPES_19}
    table = camvid_from_cityscapes()
    assert (table[: len(names)] < 11).all()
    assert (table[names['sky']], table[names['wall']], table[names['rider']]) == (0, 1, 10)
    assert (table[len(names) :] == 255).all()


def test_labels_that_are_half_right(tiny_path: str, tmp_path: Path) -> None:
    for folder in ('val', 'valannot'):
        (tmp_path / folder).mkdir()
    rgb = np.full((16, 32, 3), (80, 51, 40), np.uint8)  # label 10 of the tiny model: sky
    cv2.imwrite(str(tmp_path / 'val' / 'a.png'), rgb[..., ::-1])
    truth = np.zeros((16, 32), np.uint8)
    truth[:, 16:24], truth[:, 24:] = 3, 11  # sky, road, unlabelled
    cv2.imwrite(str(tmp_path / 'valannot' / 'a.png'), truth)
    result = camvid(open_model(tiny_path, 'onnxruntime'), tmp_path)
    assert (result['images'], result['iou']['sky'], result['iou']['road']) == (1, 2 / 3, 0)
    assert result['present_miou'] == pytest.approx(1 / 3)  # of sky and road
    assert result['miou'] == pytest.approx(2 / 3 / 11)


def test_the_nearest_point_of_a_pixel() -> None:
    camera = Intrinsics(5, 3, 2.0, 2.0, 2.0, 1.0)
    points = np.array([[0, 0, 4, 1], [0, 0, 9, 1], [2, 1, 2, 1], [0, 0, -3, 1]], np.float32)
    none = np.zeros((0, 3))
    boxes = Boxes3D(none[:, 0], none[:, 0], none, none, np.zeros((0, 4)), DRIVE_BOXES)
    rgb, same = np.zeros((3, 5, 3), np.uint8), np.eye(4)
    moment = Moment(0, rgb, camera, boxes, [], same, points=points, base_from_lidar=same)
    depth_m = lidar_depth(moment)
    assert (depth_m[1, 2], depth_m[2, 4]) == (4, 2)
    assert np.isnan(depth_m).sum() == 13


def test_kitti_of_the_bundled_model(shared: Path) -> None:
    result = kitti(open_model('', 'onnxruntime'), shared / 'data' / 'kitti_tracking_0001', '0001')
    assert result['images'] == 31
    assert result['depth']['coverage'] > 0.9
    assert 0 < result['depth']['abs_rel'] < 1
