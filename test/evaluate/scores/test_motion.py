"""TF without tf2, labels moved along it, points of a LiDAR: numbers that can be worked out."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mtscene_ros.evaluate.scores.calibration import Calibration
from mtscene_ros.evaluate.scores.flicker import FlickerFrame, flicker
from mtscene_ros.evaluate.truth.lidar import CloudError, points_of, sparse_depth
from mtscene_ros.evaluate.truth.poses import Poses
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import typestore
from mtscene_ros.types import Intrinsics

CAMERA = Intrinsics(4, 2, 2.0, 2.0, 1.5, 0.5)
MAKE = Messages(typestore())


def stamped(parent: str, child: str, stamp_ns: int, x_m: float, yaw_deg: float = 0.0) -> Any:
    pose, (cos, sin) = np.eye(4), (np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg)))
    pose[:2, :2], pose[0, 3] = [[cos, -sin], [sin, cos]], x_m
    return MAKE.transform(MAKE.header(stamp_ns, parent), child, pose)


def drive() -> Poses:
    """base goes 2 m along map's x in a second and turns by 90 degrees; camera 1 m before it."""
    poses = Poses()
    poses.add(
        [stamped('/base', 'camera', 0, 1.0), stamped('base', 'lidar', 0, -1.0)], is_static=True
    )
    moves = [stamped('map', 'base', 10**9, 2.0, 90), stamped('map', 'base', 0, 0.0)]
    poses.add(moves, is_static=False)
    return poses


def test_poses_between_samples() -> None:
    half = drive().pose('map', 'base', 5 * 10**8)
    assert half[:3, 3].tolist() == pytest.approx([1.0, 0, 0])
    assert half[0, 0] == pytest.approx(np.sqrt(0.5))  # 45 degrees
    assert drive().pose('map', 'camera', 10**9)[:3, 3].tolist() == pytest.approx([2.0, 1.0, 0])
    assert drive().pose('lidar', 'camera', 7)[0, 3] == pytest.approx(2.0)


def test_poses_that_are_not_known() -> None:
    poses = drive()
    assert poses.pose('map', 'base', 2 * 10**9) is None  # nothing is guessed beyond the samples
    assert poses.pose('map', 'elsewhere', 0) is None
    assert (poses.fixed_frame('camera'), poses.fixed_frame('map')) == ('map', '')


def test_flicker_along_the_motion() -> None:
    """The camera moves right by one pixel at 2 m: the picture moves left by one."""
    depth_m = np.full((2, 4), 2.0, np.float32)
    before = FlickerFrame(np.array([[0, 1, 2, 3]] * 2, np.uint8), depth_m, CAMERA)
    pose = np.eye(4)
    pose[0, 3] = 1.0
    same = FlickerFrame(np.array([[1, 2, 3, 9]] * 2, np.uint8), depth_m, CAMERA)
    assert flicker(before, same, pose) == (0, 6)  # the last column was not seen before
    other = FlickerFrame(np.array([[1, 2, 2, 9], [1, 2, 3, 9]], np.uint8), depth_m, CAMERA)
    assert flicker(before, other, pose) == (1, 6)
    assert flicker(before, same, np.eye(4)) == (8, 8)  # without the motion all would have changed


def test_flicker_leaves_out_what_moved_or_really_changed() -> None:
    depth_m = np.full((1, 4), 2.0, np.float32)
    nearer = np.array([[2.0, 2.0, 1.0, np.inf]], np.float32)  # somebody steps into the picture
    labels, true = np.array([[0, 1, 2, 3]], np.uint8), np.array([[0, 1, 2, 255]], np.uint8)
    assert flicker(
        FlickerFrame(labels, depth_m, CAMERA), FlickerFrame(labels, nearer, CAMERA), np.eye(4)
    ) == (
        0,
        2,
    )
    a, b = (
        FlickerFrame(labels, depth_m, CAMERA, true),
        FlickerFrame(labels + 1, depth_m, CAMERA, true),
    )
    assert flicker(a, b, np.eye(4)) == (3, 3)


def test_points_become_depth() -> None:
    cloud = MAKE.point_cloud(
        np.array(
            [[0, 0, 4, 9], [0, 0, 2, 9], [2, 0, 4, 9], [np.nan] * 4, [0, 0, -3, 9]], np.float32
        ),
        MAKE.header(0, 'lidar'),
    )
    points = points_of(cloud)
    assert points.tolist() == [[0, 0, 4], [0, 0, 2], [2, 0, 4], [0, 0, -3]]
    pose = np.eye(4)
    pose[2, 3] = 1.0  # the LiDAR is one metre before the camera
    camera = Intrinsics(4, 2, 2.0, 2.0, 1.0, 0.0)
    depth_m = sparse_depth(points, pose, camera)
    assert depth_m[0, :3].tolist() == pytest.approx([np.nan, 3.0, 5.0], nan_ok=True)
    assert np.isfinite(depth_m).sum() == 2  # the nearer of two in one pixel; none behind


def test_points_of_other_layouts() -> None:
    dtype = np.dtype(
        {'names': list('zyx'), 'formats': ['>f8'] * 3, 'offsets': [4, 12, 20], 'itemsize': 32}
    )
    values = np.array([(3, 2, 1), (6, 5, 4)], dtype)
    fields = [SimpleNamespace(name=n, offset=dtype.fields[n][1], datatype=8) for n in 'zyx']
    cloud = SimpleNamespace(
        fields=fields, is_bigendian=True, point_step=32, width=1, height=2, row_step=32,
        data=values.view(np.uint8),
    )  # fmt: skip
    assert points_of(cloud).tolist() == [[1, 2, 3], [4, 5, 6]]
    cloud.data = cloud.data[:40]
    with pytest.raises(CloudError, match='has 40 bytes for 2 x 32'):
        points_of(cloud)


def test_calibration() -> None:
    """Ten answers at 0.8: eight right ones are as it should be, none is 0.8 off."""
    good, bad = Calibration(), Calibration()
    right = np.arange(10) < 8
    assert good.add(np.full(10, 0.8), right) == pytest.approx(0)
    assert bad.add(np.full(10, 0.8), np.zeros(10, bool)) == pytest.approx(0.8)
    good.merge(bad.state())
    assert good.ece() == pytest.approx(0.4)
    [row] = good.rows()
    assert (row['count'], row['accuracy'], row['confidence']) == (20, 0.4, pytest.approx(0.8))
    levels = np.full((1, 10), 204, np.uint8)  # 0.8
    true = np.where(right, 1, 2).astype(np.uint8)[None]
    assert Calibration().add_labels(np.ones((1, 10), np.uint8), levels, true) == pytest.approx(0)


def test_calibration_has_15_bins() -> None:
    """0.50 and 0.55 lie in two of 15 bins: 0.5 off each of them, and 0.55."""
    found = Calibration()
    assert found.add(np.array([0.5, 0.55]), np.array([True, False])) == (0.5 + 0.55) / 2
    assert [(row['from'], row['to']) for row in found.rows()] == [(7 / 15, 8 / 15), (8 / 15, 0.6)]


def test_calibration_of_labels_is_that_of_their_pixels() -> None:
    random = np.random.default_rng(5)
    labels, truth = random.integers(0, 3, (2, 4, 50)).astype(np.uint8)
    confidence = random.integers(0, 256, (4, 50), np.uint8)
    truth[0], confidence[1] = 255, 255
    whole, pixels, known = Calibration(), Calibration(), truth != 255
    found = whole.add_labels(labels, confidence, truth)
    expected = pixels.add(confidence[known] / 255, (labels == truth)[known])
    assert found == pytest.approx(expected)
    np.testing.assert_allclose(whole.sums, pixels.sums)
    assert whole.ece() == pytest.approx(expected)
    assert whole.rows()[-1]['to'] == 1


def test_calibration_of_nothing() -> None:
    assert np.isnan(Calibration().ece())
    assert Calibration().rows() == []
