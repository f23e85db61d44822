"""Writes recordings with ground truth from generated worlds and KITTI sequences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from mtscene_ros.camera.outputs import BOXES_3D, CAMERA_INFO, IMAGE, LABEL_INFO
from mtscene_ros.datasets.moments import Moment
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagWriter
from mtscene_ros.recordings.truth_topics import truth_label_info_topic, truth_topic

OPTICAL = 'camera_optical_frame'
BASE = 'base_link'
LIDAR = 'velodyne'


def write_recording(
    path: Path, moments: Iterable[Moment], compressed: bool = False, *, zstd: bool = False
) -> int:
    """Writes images, camera_info, truth and transforms; returns the number of frames.

    compressed: images as JPEG; zstd: compresses the whole recording without loss.
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
        topic = truth_label_info_topic('semantic')
        writer.write(topic, LABEL_INFO, moment.stamp_ns, info, latched=True)


def _write_camera(writer: BagWriter, messages: Messages, moment: Moment, compressed: bool) -> None:
    header, stamp_ns = messages.header(moment.stamp_ns, OPTICAL), moment.stamp_ns
    info = messages.camera_info(moment.intrinsics, header)
    writer.write('/camera/camera_info', CAMERA_INFO, stamp_ns, info)
    if compressed:
        jpeg = cv2.imencode('.jpg', moment.rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        image: Any = messages.compressed_image(
            jpeg.tobytes(), 'rgb8; jpeg compressed bgr8', header
        )
        topic, kind = '/camera/image_raw/compressed', 'sensor_msgs/msg/CompressedImage'
    else:
        image = messages.image(moment.rgb, 'rgb8', header)
        topic, kind = '/camera/image_raw', IMAGE
    writer.write(topic, kind, stamp_ns, image)


def _write_truth(writer: BagWriter, messages: Messages, moment: Moment) -> None:
    header, stamp_ns = messages.header(moment.stamp_ns, OPTICAL), moment.stamp_ns
    boxes = messages.detections_3d(replace(moment.boxes, ids=tuple(moment.ids)), header)
    writer.write(truth_topic('boxes3d'), BOXES_3D, stamp_ns, boxes)
    if moment.labels is not None:
        labels = messages.image(moment.labels, 'mono8', header)
        writer.write(truth_topic('semantic'), IMAGE, stamp_ns, labels)
    if moment.depth_m is not None:
        depth = messages.image(moment.depth_m, '32FC1', header)
        writer.write(truth_topic('depth'), IMAGE, stamp_ns, depth)
    if moment.points is not None:
        cloud = messages.point_cloud(moment.points, messages.header(stamp_ns, LIDAR))
        writer.write('/points', 'sensor_msgs/msg/PointCloud2', stamp_ns, cloud)
    if moment.map_from_base is not None:
        map_header = messages.header(stamp_ns, 'map')
        tf = messages.transforms([messages.transform(map_header, BASE, moment.map_from_base)])
        writer.write('/tf', 'tf2_msgs/msg/TFMessage', stamp_ns, tf)
