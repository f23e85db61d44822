"""Image and camera_info messages of one camera → CameraFrames: the same for the node and for a
recording."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.images import MAX_PIXELS
from mtscene_ros.messages import Message, either, frame_from_image, intrinsics_from_camera_info
from mtscene_ros.rectify import Distortion, DistortionError, Rectifier
from mtscene_ros.statistics import Level
from mtscene_ros.types import CameraFrame, Intrinsics


@dataclass(frozen=True, slots=True)
class Remark:
    """What limits the use of an image; OK: worth a line in the log, once."""

    level: Level
    text: str


class CameraFrames:
    """name: of the camera; info_topic: for the sentences; info: the newest camera_info, None
    before the first."""

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
        """Image or CompressedImage → frame, and what limits its use; data: see `frame_from_image`.

        Copies the pixels where the encoding is not rgb8 or the lens distorts. Raises ImageError.
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
