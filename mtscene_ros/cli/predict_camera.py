"""Which camera took an image: the recording's, the user's, or a stated guess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mtscene_ros.camera.calibration_file import CalibrationError, read_calibration, scaled
from mtscene_ros.camera.camera_frames import CameraFrames
from mtscene_ros.camera.photograph import FRAME_ID, camera_of_fov
from mtscene_ros.types import CameraFrame

GUESSED_FOV_DEG = 65.0  # of the longer side: between a phone's main camera and a webcam
GUESS = (
    f'The camera is not known, so {GUESSED_FOV_DEG:g}° along the longer side are assumed and '
    'metres are rough; --fov or --camera-info says better.'
)


class CameraOfImages:
    """Gives every image its camera.

    horizontal_fov_deg: what the user says, None for nothing; calibration: the user's file. Raises
    CalibrationError for a file and ValueError for an angle that cannot be used.
    """

    def __init__(self, horizontal_fov_deg: float | None, calibration: Path | None) -> None:
        if horizontal_fov_deg is not None and not 0 < horizontal_fov_deg < 180:
            raise ValueError(f'--fov is {horizontal_fov_deg:g}; it must lie between 0 and 180.')
        self._fov_deg = horizontal_fov_deg
        self._info = read_calibration(calibration) if calibration else None
        self._frames: dict[tuple[int, int], CameraFrames] = {}
        self._guessed: set[tuple[int, int]] = set()

    def frame(self, frame: CameraFrame, tell: Callable[[str], None]) -> CameraFrame:
        """Returns the frame with intrinsics, undistorted where the calibration says how.

        tell: takes a sentence where the camera is guessed or the image changed. Raises
        CalibrationError where the calibration belongs to another image.
        """
        height_px, width_px = frame.rgb.shape[:2]
        if self._info is not None:
            return self._calibrated(frame, scaled(self._info, width_px, height_px), tell)
        if self._fov_deg is not None:
            return replace(frame, intrinsics=camera_of_fov(width_px, height_px, self._fov_deg))
        if frame.intrinsics is not None:
            return frame
        tell(GUESS)
        self._guessed.add((width_px, height_px))
        longer = camera_of_fov(max(width_px, height_px), 1, GUESSED_FOV_DEG)
        guess = type(longer).centered(width_px, height_px, longer.fx_px)
        return replace(frame, intrinsics=guess)

    def is_guessed(self, frame: CameraFrame) -> bool:
        """Whether the intrinsics of this frame are a guess."""
        return (frame.rgb.shape[1], frame.rgb.shape[0]) in self._guessed

    def _calibrated(
        self, frame: CameraFrame, info: SimpleNamespace, tell: Callable[[str], None]
    ) -> CameraFrame:
        size = info.width, info.height
        frames = self._frames.setdefault(size, CameraFrames('', '--camera-info', False))
        info.header.frame_id = FRAME_ID
        frames.info = info
        found, remarks = frames.frame(image_message(frame), pixels_of(frame))
        for remark in remarks:
            tell(remark.text)
        if found.intrinsics is None:
            raise CalibrationError(remarks[0].text)
        return found


def image_message(frame: CameraFrame) -> SimpleNamespace:
    """Returns the image as a message like sensor_msgs/Image, without its pixels."""
    height_px, width_px = frame.rgb.shape[:2]
    seconds, nanoseconds = divmod(frame.stamp_ns, 10**9)
    stamp = SimpleNamespace(sec=seconds, nanosec=nanoseconds)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id=FRAME_ID),
        encoding='rgb8',
        width=width_px,
        height=height_px,
        step=3 * width_px,
        is_bigendian=0,
    )


def pixels_of(frame: CameraFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.ascontiguousarray(frame.rgb).reshape(-1)
