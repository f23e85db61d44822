"""Image and camera_info messages of one camera → frames, for the node and for recordings alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import MAX_PIXELS, rgb_from_compressed, rgb_from_image
from mtscene_ros.camera.messages import Message
from mtscene_ros.camera.rectify import Distortion, DistortionError, Rectifier
from mtscene_ros.types import CameraFrame, Intrinsics


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that limits the use of an image.

    level: of the diagnostic, where OK means one line in the log; text: one sentence.
    """

    level: Level
    text: str


class CameraFrames:
    """Makes frames from the messages of one camera; set `info` to the newest camera_info.

    name: of the camera; info_topic: for messages to the user; is_rectified: whether the images are
    free of distortion; max_pixels: the largest image that is accepted.
    """

    def __init__(
        self, name: str, info_topic: str, is_rectified: bool, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._max_pixels = max_pixels
        self._name, self._info_topic, self._is_rectified = name, info_topic, is_rectified
        self.info: Message | None = None
        self._rectifier: Rectifier | None = None

    def frame(
        self, message: Message, data: NDArray[np.uint8] | None = None
    ) -> tuple[CameraFrame, list[Remark]]:
        """Converts an image message and finds what limits its use.

        Pixels are copied only if the encoding is not rgb8 or the lens distorts.

        Args:
            message: sensor_msgs/Image or CompressedImage.
            data: (n,) uint8, the pixels' bytes if they are not in the message.

        Returns:
            The frame, undistorted if needed, and remarks about it. Without usable intrinsics,
            `CameraFrame.intrinsics` is None and a remark says why.

        Raises:
            ImageError: the image cannot be used.
        """
        frame = frame_from_image(message, None, self._name, data, self._max_pixels)
        if not frame.frame_id:
            text = 'The image has an empty frame_id, so no 3D output; set it in the driver.'
            return frame, [Remark(Level.ERROR, text)]
        info = self.info
        if info is None:
            text = (
                f'No camera_info on {self._info_topic} yet, so no depth and no boxes; '
                'publish it or remap camera_info.'
            )
            return frame, [Remark(Level.WARN, text)]
        height_px, width_px = frame.rgb.shape[:2]
        intrinsics, why_not = intrinsics_from_camera_info(
            info, width_px, height_px, self._is_rectified
        )
        remarks = [Remark(Level.WARN, why_not)] if why_not else []
        if info.header.frame_id != frame.frame_id:
            text = (
                f'camera_info has frame_id {info.header.frame_id!r}, the image '
                f'{frame.frame_id!r}; the image wins.'
            )
            remarks.append(Remark(Level.OK, text))
        frame = replace(frame, intrinsics=intrinsics)
        if intrinsics is None or self._is_rectified:
            return frame, remarks
        return self._undistorted(frame, intrinsics, info, remarks)

    def _undistorted(
        self, frame: CameraFrame, intrinsics: Intrinsics, info: Message, remarks: list[Remark]
    ) -> tuple[CameraFrame, list[Remark]]:
        distortion = Distortion(info.distortion_model, tuple(either(info, 'd')))
        if distortion.is_none:
            return frame, remarks
        known = self._rectifier
        try:
            if known is None or (known.intrinsics, known.distortion) != (intrinsics, distortion):
                self._rectifier = known = Rectifier(intrinsics, distortion)
        except DistortionError as error:
            return replace(frame, intrinsics=None), [*remarks, Remark(Level.WARN, str(error))]
        return replace(frame, rgb=known(frame.rgb)), remarks


# Limits of a calibration: beyond them coordinates overflow before they mean anything.
LEAST_FOCAL_PX, MOST_PX = 1e-2, 1e7


def frame_from_image(
    message: Message,
    intrinsics: Intrinsics | None,
    camera: str,
    data: NDArray[np.uint8] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> CameraFrame:
    """Converts an image message to a frame.

    Args:
        message: sensor_msgs/Image or CompressedImage.
        intrinsics: for an image of this size, or None.
        camera: name of the camera.
        data: (n,) uint8, the pixels' bytes if they are not in the message.
        max_pixels: the largest image that is accepted.

    Returns:
        The frame, with the message's stamp and frame_id.

    Raises:
        ImageError: the image cannot be used.
    """
    if data is None:
        data = np.frombuffer(message.data, np.uint8)
    if hasattr(message, 'format'):
        rgb = rgb_from_compressed(message.format, data, max_pixels)
    else:
        rgb = rgb_from_image(
            message.encoding,
            message.width,
            message.height,
            message.step,
            bool(message.is_bigendian),
            data,
            max_pixels,
        )
    stamp = message.header.stamp
    return CameraFrame(
        rgb, intrinsics, stamp.sec * 10**9 + stamp.nanosec, message.header.frame_id, camera
    )


def intrinsics_from_camera_info(
    info: Message, width_px: int, height_px: int, is_rectified: bool
) -> tuple[Intrinsics | None, str]:
    """Reads the intrinsics for an image of width_px x height_px.

    Binning and ROI are applied as sensor_msgs/CameraInfo defines them: K and P describe the full
    sensor.

    Args:
        info: sensor_msgs/CameraInfo of ROS 1 or ROS 2.
        width_px: width of the image in pixels.
        height_px: height of the image in pixels.
        is_rectified: use P instead of K, if P is set.

    Returns:
        The intrinsics and '', or None and one sentence that says why there are none.
    """
    p = np.array(either(info, 'p')).reshape(3, 4)
    k = np.array(either(info, 'k')).reshape(3, 3)
    matrix = p[:, :3] if is_rectified and p[0, 0] != 0 else k
    fx, fy, cx, cy = (float(matrix[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    is_camera = min(fx, fy) >= LEAST_FOCAL_PX and max(fx, fy, abs(cx), abs(cy)) <= MOST_PX
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or not is_camera:
        return None, (
            f'camera_info has fx {fx}, fy {fy}, cx {cx}, cy {cy}: the camera is not calibrated, '
            'so no depth and no boxes are computed; calibrate it.'
        )
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    roi = info.roi
    full = (roi.width or info.width, roi.height or info.height)
    expected = (full[0] // bin_x, full[1] // bin_y)
    if expected != (width_px, height_px):
        return None, (
            f'camera_info describes {expected[0]}x{expected[1]} px, the image has '
            f'{width_px}x{height_px}: no depth and no boxes are '
            'computed; publish the camera_info of this image.'
        )
    cx, cy = (cx - roi.x_offset + 0.5) / bin_x - 0.5, (cy - roi.y_offset + 0.5) / bin_y - 0.5
    return Intrinsics(width_px, height_px, fx / bin_x, fy / bin_y, cx, cy), ''


def either(info: Message, name: str) -> Any:
    """Returns a matrix of camera_info; name: in lower case, although ROS 1 has it in capitals."""
    return getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())


class Level(IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
