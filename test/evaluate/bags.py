"""Small recordings for tests: the tiny model's images, whose pixels say what it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagWriter
from mtscene_ros.types import Intrinsics

FIRST_NS = 1_700_000_000 * 10**9
PERIOD_NS = 100_000_000
CAMERA = Intrinsics(64, 32, 64.0, 64.0, 31.5, 15.5)
IMAGE, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'
Write = Callable[[BagWriter, Messages, int, int], None]  # of one frame: index and stamp


def options(model: str, **changes: Any) -> EvaluateOptions:
    common = {'backend': 'onnxruntime', 'threads': 1, 'progress': False, 'outputs': ()}
    return EvaluateOptions(model=model, **{**common, **changes})


def image(index: int) -> np.ndarray:
    """Label 1 everywhere, 20 m away: red / 8, blue / 2; a moving stripe of label 10."""
    rgb = np.full((32, 64, 3), (8, 51, 40), np.uint8)
    rgb[:, 4 * index : 4 * index + 4, 0] = 80
    return rgb


def camera(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    header = make.header(stamp_ns, 'camera_optical_frame')
    info = make.camera_info(CAMERA, header)
    writer.write('/camera/camera_info', INFO, stamp_ns, info)
    writer.write('/camera/image_raw', IMAGE, stamp_ns, make.image(image(index), 'rgb8', header))


def truth(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """Labels as the model says them, but for the upper half, which is 2; 25 m everywhere."""
    header = make.header(stamp_ns, 'camera_optical_frame')
    labels = np.asarray(image(index)[..., 0] // 8, np.uint8)
    labels[:16] = 2
    depth_m = np.full((32, 64), 25, np.float32)
    if index == 0:
        info = make.label_info(CITYSCAPES_19, header)
        kind = 'vision_msgs/msg/LabelInfo'
        writer.write('/truth/label_info', kind, stamp_ns, info, latched=True)
    writer.write('/truth/semantic', IMAGE, stamp_ns, make.image(labels, 'mono8', header))
    writer.write('/truth/depth', IMAGE, stamp_ns, make.image(depth_m, '32FC1', header))


def recorded(
    path: Path, *parts: Write, frames: int = 4, start: int = 0, shift_ns: int = 0
) -> Path:
    """What each part writes of each frame; shift_ns: added to the stamps of what is no camera."""
    with BagWriter(path) as writer:
        make = Messages(writer.types)
        for index in range(start, start + frames):
            for part in parts or (camera, truth):
                moved_ns = 0 if part is camera else shift_ns
                part(writer, make, index, FIRST_NS + index * PERIOD_NS + moved_ns)
    return path
