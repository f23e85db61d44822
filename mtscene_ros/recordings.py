"""Recordings with ground truth: generated drives and KITTI tracking sequences → MCAP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.bag_messages import Messages
from mtscene_ros.bags import BagWriter
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass
from mtscene_ros.worlds.frame import WorldFrame

F64 = NDArray[np.float64]

OPTICAL = 'camera_optical_frame'
BASE = 'base_link'
LIDAR = 'velodyne'
# base_link is REP-103 (x forward, y left, z up); the camera looks along its x.
BASE_FROM_OPTICAL_AXES = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What one recording holds for one instant; None or empty where it does not.

    base_from_optical, base_from_lidar: static (4, 4); map_from_base: (4, 4); points: (N, 4) x y z
    intensity in the LiDAR's frame; ids: stable id of each box.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    intrinsics: Intrinsics
    boxes: Boxes3D
    ids: list[str]
    base_from_optical: F64
    labels: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    classes: tuple[SemanticClass, ...] = ()
    points: NDArray[np.float32] | None = None
    base_from_lidar: F64 | None = None
    map_from_base: F64 | None = field(default=None)


def moment_from_world(frame: WorldFrame) -> Moment:
    """A generated frame; the camera sits at base_link's origin, level with it at the start."""
    base_from_optical = np.eye(4)
    base_from_optical[:3, :3] = BASE_FROM_OPTICAL_AXES
    return Moment(
        stamp_ns=frame.stamp_ns,
        rgb=frame.rgb,
        intrinsics=frame.intrinsics,
        boxes=frame.boxes,
        ids=[''] * len(frame.boxes),
        base_from_optical=base_from_optical,
        labels=frame.labels,
        depth_m=frame.depth_m,
        classes=frame.classes,
        map_from_base=frame.world_from_optical @ np.linalg.inv(base_from_optical),
    )


def write_recording(
    path: Path, moments: Iterable[Moment], compressed: bool = False, *, zstd: bool = False
) -> int:
    """Writes images, camera_info, truth and transforms; returns the number of frames.

    compressed: images as JPEG; zstd: the whole recording, without loss.
    """
    count = 0
    with BagWriter(path, compressed=zstd) as writer:
        messages = Messages(writer.types)
        for count, moment in enumerate(moments, start=1):
            if count == 1:
                _write_static(writer, messages, moment)
            _write_camera(writer, messages, moment, compressed)
            _write_truth(writer, messages, moment)
    return count


def _write_static(writer: BagWriter, messages: Messages, moment: Moment) -> None:
    header = messages.header(moment.stamp_ns, BASE)
    stamped = [messages.transform(header, OPTICAL, moment.base_from_optical)]
    if moment.base_from_lidar is not None:
        stamped.append(messages.transform(header, LIDAR, moment.base_from_lidar))
    tf = messages.transforms(stamped)
    writer.write('/tf_static', 'tf2_msgs/msg/TFMessage', moment.stamp_ns, tf, latched=True)
    if moment.classes:
        info = messages.label_info(moment.classes, messages.header(moment.stamp_ns, ''))
        kind = 'vision_msgs/msg/LabelInfo'
        writer.write('/truth/label_info', kind, moment.stamp_ns, info, latched=True)


def _write_camera(writer: BagWriter, messages: Messages, moment: Moment, compressed: bool) -> None:
    header, stamp_ns = messages.header(moment.stamp_ns, OPTICAL), moment.stamp_ns
    info = messages.camera_info(moment.intrinsics, header)
    writer.write('/camera/camera_info', 'sensor_msgs/msg/CameraInfo', stamp_ns, info)
    if compressed:
        jpeg = cv2.imencode('.jpg', moment.rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        image: Any = messages.compressed_image(
            jpeg.tobytes(), 'rgb8; jpeg compressed bgr8', header
        )
        topic, kind = '/camera/image_raw/compressed', 'sensor_msgs/msg/CompressedImage'
    else:
        image = messages.image(moment.rgb, 'rgb8', header)
        topic, kind = '/camera/image_raw', 'sensor_msgs/msg/Image'
    writer.write(topic, kind, stamp_ns, image)


def _write_truth(writer: BagWriter, messages: Messages, moment: Moment) -> None:
    header, stamp_ns = messages.header(moment.stamp_ns, OPTICAL), moment.stamp_ns
    boxes = messages.detections_3d(replace(moment.boxes, ids=tuple(moment.ids)), header)
    writer.write('/truth/detections_3d', 'vision_msgs/msg/Detection3DArray', stamp_ns, boxes)
    image = 'sensor_msgs/msg/Image'
    if moment.labels is not None:
        labels = messages.image(moment.labels, 'mono8', header)
        writer.write('/truth/semantic', image, stamp_ns, labels)
    if moment.depth_m is not None:
        depth = messages.image(moment.depth_m, '32FC1', header)
        writer.write('/truth/depth', image, stamp_ns, depth)
    if moment.points is not None:
        cloud = messages.point_cloud(moment.points, messages.header(stamp_ns, LIDAR))
        writer.write('/points', 'sensor_msgs/msg/PointCloud2', stamp_ns, cloud)
    if moment.map_from_base is not None:
        map_header = messages.header(stamp_ns, 'map')
        tf = messages.transforms([messages.transform(map_header, BASE, moment.map_from_base)])
        writer.write('/tf', 'tf2_msgs/msg/TFMessage', stamp_ns, tf)
