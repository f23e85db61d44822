"""Boxes from known scenes to what an outside consumer reads (docs/conventions.md, section 3).

In the optical frame and in target_frame; ids that stay.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from mtscene_ros.camera import box_messages
from mtscene_ros.camera.geometry import (
    box_corners,
    matrix_from_quaternion,
    moved,
    optical_from_level_box,
    project,
    quaternion_from_matrix,
    yaw_of_box,
)
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.ros.message_types import new
from mtscene_ros.tasks.boxes3d import CenterOptions, decode_centers
from mtscene_ros.types import Boxes3D, CameraFrame
from mtscene_ros.worlds import FRAMES

from .fleet import Fleet, info_of
from .inside import Inside

SEC, STRIDE, FOCAL_PX = 10**9, 4, 500.0
INFO = info_of('', 64, 32, 64.0)
# REP-103: a camera that looks forward, 1.5 m up and 0.5 m before base_link.
BASE_FROM_OPTICAL = np.array([[0, 0, 1, 0.5], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])


def turned(q: Any, v: np.ndarray) -> np.ndarray:
    """v turned by a quaternion message: v + 2 u x (u x v + w v). Nothing of ours in it."""
    u = np.array([q.x, q.y, q.z])
    return np.asarray(v + 2 * np.cross(u, np.cross(u, v) + q.w * v))


def corners_read(detection: Any) -> np.ndarray:
    """(8, 3): what a consumer draws; order of box_corners."""
    p, size = detection.bbox.center.position, detection.bbox.size
    half = np.array([size.x, size.y, size.z]) / 2
    signs = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    local = [half * (x, y, z) for z in (-1, 1) for x, y in signs]
    center = np.array([p.x, p.y, p.z])
    return np.array([center + turned(detection.bbox.center.orientation, v) for v in local])


def corners_of(boxes: Boxes3D) -> np.ndarray:
    rotations = matrix_from_quaternion(boxes.quaternions_xyzw)
    return box_corners(boxes.centers_m, boxes.sizes_m, rotations)


def known_scene(seed: int) -> tuple[Boxes3D, CameraFrame, Letterbox]:
    """A generated street; its boxes stand upright in the optical frame, at most one a cell."""
    world = FRAMES['drive'](seed, 0, 1024, 512)
    upright = optical_from_level_box(
        yaw_of_box(matrix_from_quaternion(world.boxes.quaternions_xyzw))
    )
    boxes = replace(world.boxes, quaternions_xyzw=quaternion_from_matrix(upright))
    letterbox = Letterbox(1024, 512, 512, 256)
    cells = cells_of(boxes, world.intrinsics, letterbox)
    inside = (cells >= 0).all(1) & (cells < (512 / STRIDE, 256 / STRIDE)).all(1)
    first = np.unique(cells[:, 1] * 1000 + cells[:, 0], return_index=True)[1]
    kept = inside & np.isin(np.arange(len(boxes)), first) & (boxes.centers_m[:, 2] > 1)
    frame = CameraFrame(world.rgb, world.intrinsics, world.stamp_ns, 'optical')
    return boxes.select(kept), frame, letterbox


def cells_of(boxes: Boxes3D, camera: Any, letterbox: Letterbox) -> np.ndarray:
    uv = letterbox.points_to_network(project(boxes.centers_m, camera))
    return np.floor((uv + 0.5) / STRIDE).astype(int)


def network_says(
    boxes: Boxes3D, frame: CameraFrame, letterbox: Letterbox
) -> tuple[np.ndarray, np.ndarray]:
    """The tensors of a network that knows the truth, by the documented code alone."""
    scores = np.zeros((len(boxes.classes), 64, 128), np.float32)
    code = np.zeros((8, 64, 128), np.float32)
    uv = letterbox.points_to_network(project(boxes.centers_m, frame.intrinsics))
    yaw = yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw))
    for i, (column, row) in enumerate(cells_of(boxes, frame.intrinsics, letterbox)):
        x, _, z = boxes.centers_m[i]
        alpha = yaw[i] - math.atan2(x, z)
        offset = uv[i] - ((np.array([column, row]) + 0.5) * STRIDE - 0.5)
        canonical_m = z / (frame.intrinsics.fx_px * letterbox.scales[0] / FOCAL_PX)
        code[:, row, column] = [
            *offset, canonical_m, *boxes.sizes_m[i], math.cos(alpha), math.sin(alpha)
        ]  # fmt: skip
        scores[boxes.class_ids[i], row, column] = 0.9 - 0.01 * i
    return scores, code


@pytest.mark.parametrize('seed', [3, 5, 8])
def test_known_boxes_come_out_of_the_message_as_they_went_in(seed: int) -> None:
    truth, frame, letterbox = known_scene(seed)
    options = CenterOptions(truth.classes, STRIDE, FOCAL_PX, 0.3, 50, 500.0)
    found = decode_centers(*network_says(truth, frame, letterbox), options, letterbox, frame)
    message = box_messages.detections_3d(new, found, Header(frame_id='optical'))
    assert len(message.detections) == len(truth) > 2
    for i, (detection, expected) in enumerate(
        zip(message.detections, corners_of(truth), strict=True)
    ):
        np.testing.assert_allclose(corners_read(detection), expected, atol=1e-5)
        [result] = detection.results
        assert result.hypothesis.class_id == truth.classes[truth.class_ids[i]].name
        up = turned(detection.bbox.center.orientation, np.array([0, 0, 1.0]))
        np.testing.assert_allclose(up, [0, -1, 0], atol=1e-6)  # level: up is against y


@pytest.mark.parametrize('seed', [3, 5])
def test_the_same_boxes_in_the_target_frame(seed: int) -> None:
    truth, _, _ = known_scene(seed)
    message = box_messages.detections_3d(new, moved(truth, BASE_FROM_OPTICAL), Header())
    for detection, expected in zip(message.detections, corners_of(truth), strict=True):
        in_base = expected @ BASE_FROM_OPTICAL[:3, :3].T + BASE_FROM_OPTICAL[:3, 3]
        np.testing.assert_allclose(corners_read(detection), in_base, atol=1e-5)
        q = detection.bbox.center.orientation
        assert (q.x, q.y) == pytest.approx((0, 0), abs=1e-9)  # upright: a turn about z alone


class NoPoseError(Exception):
    pass


class FakeTf:
    """tf2_ros's names, of which PyPI has none; poses: source → (4, 4) at a stamp, or raises."""

    def __init__(self, pose: Callable[[str, str, int], np.ndarray]) -> None:
        self.cleared = 0
        self.Buffer = self.TransformListener = lambda *_: self
        self.TransformException, self._pose = NoPoseError, pose

    def can_transform(self, target: str, source: str, stamp: Any) -> bool:
        return True

    def lookup_transform(self, target: str, source: str, stamp: Any, timeout: Any) -> Any:
        pose = self._pose(target, source, stamp.nanoseconds)
        x, y, z, w = quaternion_from_matrix(pose[:3, :3][None])[0]
        rotation = SimpleNamespace(x=x, y=y, z=z, w=w)
        position = SimpleNamespace(**dict(zip('xyz', pose[:3, 3], strict=True)))
        return SimpleNamespace(transform=SimpleNamespace(rotation=rotation, translation=position))

    def clear(self) -> None:
        self.cleared += 1


def at_the_stamp(target: str, source: str, stamp_ns: int) -> np.ndarray:
    """base_link drives forward at 1 m/s from map; unknown before 10 s."""
    assert (target, source) == ('map', '_optical')
    if stamp_ns < 10 * SEC:
        raise NoPoseError(f'extrapolation at {stamp_ns}')
    pose = BASE_FROM_OPTICAL.copy()
    pose[0, 3] += stamp_ns / SEC
    return pose


def test_target_frame_at_the_images_stamp(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'tf2_ros', FakeTf(at_the_stamp))
    topics = ('detections_3d', 'detections_2d', 'debug/markers')
    inside, fleet = inside_of(target_frame='map'), fleet_of(('',), topics=topics)
    inside.connect(fleet, {'': INFO})
    for seconds in (5, 20):  # for the first TF has no pose
        inside.show(fleet, '', frame.rgb, seconds * SEC)
    fleet.wait(lambda: [len(fleet.got['', t]) for t in topics] == [1, 2, 1])
    [message] = fleet.got['', 'detections_3d']
    assert (message.header.frame_id, message.header.stamp.sec) == ('map', 20)
    assert message.detections[0].header == message.header
    p, q = (
        message.detections[0].bbox.center.position,
        message.detections[0].bbox.center.orientation,
    )
    # Optical (1.25, 3.75, 20) m; heading to the right of the ray: -90° - atan(1.25 / 20).
    assert (p.x, p.y, p.z) == pytest.approx((20 + 0.5 + 20, -1.25, 1.5 - 3.75))
    yaw = 2 * math.atan2(q.z, q.w)
    heading = -math.pi / 2 - math.atan2(1.25, 20)
    assert math.remainder(yaw - heading, 2 * math.pi) == pytest.approx(0, abs=1e-6)
    assert fleet.got['', 'debug/markers'][0].markers[1].header.frame_id == 'map'
    assert fleet.got['', 'detections_2d'][0].header.frame_id == '_optical'


def test_only_wanted_classes_are_published(
    inside_of: Callable[..., Inside], fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    inside, fleet = inside_of(), fleet_of(('',), topics=('detections_3d',))
    inside.connect(fleet, {'': INFO})
    found = fleet.got['', 'detections_3d']
    for k, (name, value) in enumerate(
        [('classes', ['bus']), ('classes', ['car']), ('min_score_by_class', ['car:0.9'])]
    ):
        assert inside.node.set_parameters([Parameter(name, value=value)])[0].successful
        inside.show(fleet, '', frame.rgb, (k + 1) * SEC)
        fleet.wait(lambda k=k: len(found) == k + 1)
    assert [len(message.detections) for message in found] == [0, 1, 0]  # of one car of 0.8


def test_tracking_in_the_odometry_frame_where_tf_has_it(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The camera sees the car at the same place all the time and drives at 1 m/s, so the car does;
    for one image there is no pose, and for one no box."""

    def odometry(target: str, source: str, stamp_ns: int) -> np.ndarray:
        assert target == 'odom'
        if stamp_ns == 104 * SEC // 10:
            raise NoPoseError
        return at_the_stamp('map', source, stamp_ns)

    monkeypatch.setitem(sys.modules, 'tf2_ros', FakeTf(odometry))
    inside = inside_of(**{'tracking.enabled': True})
    fleet = fleet_of(('',), topics=('detections_3d', 'detections_2d'))
    inside.connect(fleet, {'': INFO})
    hidden = frame.rgb.copy()
    hidden[24:26, 32:34, 1] = 51
    for k in range(100, 110):
        inside.show(fleet, '', hidden if k == 106 else frame.rgb, k * SEC // 10)
    fleet.wait(lambda: all(len(fleet.got['', t]) == 10 for _, t in fleet.listened))
    for topic in ('detections_3d', 'detections_2d'):
        ids = [[d.id for d in message.detections] for message in fleet.got['', topic]]
        assert ids == [[''], *[['1']] * 5, [], *[['1']] * 3], topic
    [track] = inside.worker.cameras[''].tracker.tracks
    np.testing.assert_allclose(track.mean[3:], [1, 0, 0], atol=0.2)
