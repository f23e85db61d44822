"""KITTI's files → frames in camera 2's optical frame; the real sequence where it is at hand."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtscene_ros.camera.geometry import box_corners, matrix_from_quaternion, project
from mtscene_ros.datasets.kitti import (
    KittiError,
    kitti_moments,
    read_calibration,
    read_labels,
    tracking_moment,
)

CALIBRATION = """P2: 100 0 50 10 0 100 20 0 0 0 1 0
R_rect 1 0 0 0 1 0 0 0 1
Tr_velo_cam 0 -1 0 0 0 0 -1 0 1 0 0 0.5
"""
LABEL = '3 7 Car 0 0 0 1 2 3 4 1.5 2 4 1 2 10 -1.5707963267948966\n'


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """One frame of a made-up sequence."""
    for folder in ('calib', 'label_2', 'image_2/0000', 'velodyne/0000'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'calib/0000.txt').write_text(CALIBRATION)
    (tmp_path / 'label_2/0000.txt').write_text(LABEL + LABEL.replace('Car', 'DontCare'))
    cv2.imwrite(str(tmp_path / 'image_2/0000/000003.png'), np.zeros((40, 100, 3), np.uint8))
    return tmp_path


def test_box_stands_on_its_label(tiny: Path) -> None:
    [moment] = kitti_moments(tiny, '0000')
    # x: 1 + 10 / 100 (offset of camera 2); y: 2 is the bottom, half of 1.5 above it the centre.
    np.testing.assert_allclose(moment.boxes.centers_m, [[1.1, 1.25, 10]])
    np.testing.assert_allclose(moment.boxes.sizes_m, [[4, 2, 1.5]])
    assert moment.ids == ['7']
    heading = matrix_from_quaternion(moment.boxes.quaternions_xyzw)[0] @ [1, 0, 0]
    np.testing.assert_allclose(heading, [0, 0, 1], atol=1e-12)  # rotation_y = -pi / 2: away


def test_lidar_ahead_is_ahead_of_the_camera(tiny: Path) -> None:
    calibration = read_calibration(tiny / 'calib/0000.txt')
    ahead = calibration.optical_from_lidar @ [10, 0, 0, 1]
    np.testing.assert_allclose(ahead, [0.1, 0, 10.5, 1])


def test_missing_files_are_named(tiny: Path) -> None:
    with pytest.raises(KittiError, match=r'calib/0042\.txt is missing'):
        list(kitti_moments(tiny, '0042'))
    (tiny / 'label_2/0000.txt').write_text(LABEL.replace('10 -1.57', 'x -1.57'))
    with pytest.raises(KittiError, match=r'0000\.txt, line 1'):
        list(kitti_moments(tiny, '0000'))
    (tiny / 'calib/0000.txt').write_text('P2: 1 2 3')
    with pytest.raises(KittiError, match='lacks P2'):
        list(kitti_moments(tiny, '0000'))


def test_the_labels_of_a_sequence_are_parsed_once(tiny: Path) -> None:
    path = tiny / 'label_2/0000.txt'
    first = tracking_moment(tiny, '0000', '000003')
    first.boxes.centers_m[:] = 0  # as an augmentation might
    changed_ns = path.stat().st_mtime_ns
    path.write_text('spoilt')
    os.utime(path, ns=(changed_ns, changed_ns))  # nothing says that the file is another one
    again = tracking_moment(tiny, '0000', '000003')
    np.testing.assert_allclose(again.boxes.centers_m, [[1.1, 1.25, 10]])
    assert again.ids == ['7']
    os.utime(path, ns=(changed_ns + 1, changed_ns + 1))
    with pytest.raises(KittiError, match=r'0000\.txt, line 1'):
        tracking_moment(tiny, '0000', '000003')


def test_real_boxes_project_onto_their_2d_boxes(shared: Path) -> None:
    folder = shared / 'data' / 'kitti_tracking_0001'
    calibration = read_calibration(folder / 'calib/0001.txt')
    boxes, ids = read_labels(folder / 'label_2/0001.txt', calibration)[0]
    camera = next(kitti_moments(folder, '0001')).intrinsics
    lines = [r.split() for r in (folder / 'label_2/0001.txt').read_text().splitlines()]
    truth = {r[1]: np.array(r[6:10], float) for r in lines if r[0] == '0'}
    rotations = matrix_from_quaternion(boxes.quaternions_xyzw)
    for corners, id_ in zip(
        box_corners(boxes.centers_m, boxes.sizes_m, rotations), ids, strict=True
    ):
        uv = project(corners, camera).clip([0, 0], [1241, 374])
        np.testing.assert_allclose([*uv.min(0), *uv.max(0)], truth[id_], atol=12)


def test_real_lidar_falls_into_the_real_boxes(shared: Path) -> None:
    moment = next(kitti_moments(shared / 'data' / 'kitti_tracking_0001', '0001'))
    optical_from_lidar = np.linalg.inv(moment.base_from_optical) @ moment.base_from_lidar
    points = moment.points[:, :3] @ optical_from_lidar[:3, :3].T + optical_from_lidar[:3, 3]
    rotations = matrix_from_quaternion(moment.boxes.quaternions_xyzw)
    near = np.linalg.norm(moment.boxes.centers_m, axis=1) < 25
    assert near.sum() >= 3
    for center, size, rotation in zip(
        moment.boxes.centers_m[near], moment.boxes.sizes_m[near], rotations[near], strict=True
    ):
        inside = (np.abs((points - center) @ rotation) <= size / 2).all(1).sum()
        below = (np.abs((points - center - [0, 5, 0]) @ rotation) <= size / 2).all(1).sum()
        assert inside > 20
        assert inside > 10 * below
