"""Image and camera_info messages of one camera → CameraFrames: the same for the node and for a
recording."""

from __future__ import annotations

from dataclasses import replace

from mtscene_ros.messages import Message, either, frame_from_image, intrinsics_from_camera_info
from mtscene_ros.rectify import Distortion, DistortionError, Rectifier
from mtscene_ros.types import CameraFrame, Intrinsics


class CameraFrames:
    """name: of the camera; info_topic: for the sentences; info: the newest camera_info, None
    before the first."""

    def __init__(self, name: str, info_topic: str, is_rectified: bool) -> None:
        self._name, self._info_topic, self._is_rectified = name, info_topic, is_rectified
        self.info: Message | None = None
        self._rectifier: Rectifier | None = None

    def frame(self, message: Message) -> tuple[CameraFrame, list[str]]:
        """Image or CompressedImage → frame, and a sentence for each thing that limits its use.

        Copies the pixels where the encoding is not rgb8 or the lens distorts. Raises ImageError.
        """
        frame = frame_from_image(message, None, self._name)
        if not frame.frame_id:
            return frame, [
                'The image has an empty frame_id, so no 3D output; set it in the driver.'
            ]
        info = self.info
        if info is None:
            return frame, [
                f'No camera_info on {self._info_topic} yet, so no depth and no boxes; '
                'publish it or remap camera_info.'
            ]
        height_px, width_px = frame.rgb.shape[:2]
        intrinsics, why_not = intrinsics_from_camera_info(
            info, width_px, height_px, self._is_rectified
        )
        warnings = [why_not] if why_not else []
        if info.header.frame_id != frame.frame_id:
            warnings.append(
                f'camera_info has frame_id {info.header.frame_id!r}, the image '
                f'{frame.frame_id!r}; the image wins.'
            )
        frame = replace(frame, intrinsics=intrinsics)
        if intrinsics is None or self._is_rectified:
            return frame, warnings
        return self._undistorted(frame, intrinsics, info, warnings)

    def _undistorted(
        self, frame: CameraFrame, intrinsics: Intrinsics, info: Message, warnings: list[str]
    ) -> tuple[CameraFrame, list[str]]:
        distortion = Distortion(info.distortion_model, tuple(either(info, 'd')))
        if distortion.is_none:
            return frame, warnings
        known = self._rectifier
        try:
            if known is None or (known.intrinsics, known.distortion) != (intrinsics, distortion):
                self._rectifier = known = Rectifier(intrinsics, distortion)
        except DistortionError as error:
            return replace(frame, intrinsics=None), [*warnings, str(error)]
        return replace(frame, rgb=known(frame.rgb)), warnings
