"""A recording of one frame whose every colour and number is known."""

from __future__ import annotations

import numpy as np

from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.camera.messages import frame_stats
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.recordings.bag_messages import Messages, maker
from mtscene_ros.recordings.bags import BagWriter
from mtscene_ros.types import Boxes3D, Intrinsics

STAMP_NS = 1_700_000_000_000_000_000
CAMERA = Intrinsics(640, 320, 400.0, 400.0, 319.5, 159.5)
ROAD, SKY = 0, 10
CAR = Boxes3D(
    np.array([0]), np.array([0.75], np.float32), np.array([[0.0, 0.5, 10.0]]),
    np.array([[4.0, 2.0, 1.5]]), np.array([[0.5, -0.5, 0.5, -0.5]]), DRIVE_BOXES,
)  # fmt: skip


def write_image(
    bag: BagWriter, topic: str = '/camera/image_raw', frame_id: str = 'optical'
) -> None:
    messages = Messages(bag.types)
    header = messages.header(STAMP_NS, frame_id)
    black = messages.image(np.zeros((320, 640, 3), np.uint8), 'rgb8', header)
    bag.write(topic, 'sensor_msgs/msg/Image', STAMP_NS, black)


def write_outputs(
    bag: BagWriter,
    prefix: str = '/perception',
    frame_id: str = 'optical',
    topics: tuple[str, ...] = (),
) -> None:
    """Sky over road, 8 m and 20 m away, one car; maps half as large as the image."""
    messages = Messages(bag.types)
    header = messages.header(STAMP_NS, frame_id)
    labels, depth_m = np.full((160, 320), SKY, np.uint8), np.full((160, 320), 20, np.float32)
    labels[80:], depth_m[80:], depth_m[0] = ROAD, 8.0, np.nan
    times = {'infer': 0.03, 'publish': 0.002}
    stats = frame_stats(maker(bag.types), header, '', 0.1, times, Counts(1, 1))
    small = CAMERA.resized(320, 160)
    infos = messages.label_info(CITYSCAPES_19, messages.header(STAMP_NS, ''))
    image, boxes = 'sensor_msgs/msg/Image', messages.detections_3d(CAR, header)
    boxes.detections[0].id = '7'
    for topic, kind, message in (
        ('semantic/label_info', 'vision_msgs/msg/LabelInfo', infos),
        ('semantic/image', image, messages.image(labels, 'mono8', header)),
        ('depth/image', image, messages.image(depth_m, '32FC1', header)),
        ('depth/camera_info', 'sensor_msgs/msg/CameraInfo', messages.camera_info(small, header)),
        ('detections_3d', 'vision_msgs/msg/Detection3DArray', boxes),
        ('debug/frame_stats', 'mtscene_msgs/msg/FrameStats', stats),
    ):
        if not topics or topic in topics:
            bag.write(f'{prefix}/{topic}', kind, STAMP_NS, message)
