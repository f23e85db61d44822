"""Removes lens distortion with OpenCV's models and maps that are made once per camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.terminal import plural
from mtscene_ros.types import Intrinsics

# sensor_msgs/distortion_models → numbers of coefficients that OpenCV supports.
MODELS = {'plumb_bob': (4, 5), 'rational_polynomial': (8,), 'equidistant': (4,)}


class DistortionError(ValueError):
    """The distortion cannot be removed; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Distortion:
    """A lens distortion; model: a name of sensor_msgs/distortion_models; coefficients: D."""

    model: str
    coefficients: tuple[float, ...]

    @property
    def is_none(self) -> bool:
        return not any(self.coefficients)


class Rectifier:
    """Undistorts the images of one camera, as a pinhole camera with the same matrix sees them.

    Raises DistortionError for models that OpenCV does not support.
    """

    def __init__(self, intrinsics: Intrinsics, distortion: Distortion) -> None:
        self.intrinsics, self.distortion = intrinsics, distortion
        count = len(distortion.coefficients)
        if count not in MODELS.get(distortion.model, ()):
            raise DistortionError(
                f'camera_info has distortion_model {distortion.model!r} with '
                f'{plural(count, "coefficient")}; supported are '
                f'{", ".join(f"{k} {v}" for k, v in MODELS.items())}: rectify the image '
                'beforehand and set input_is_rectified.'
            )
        if not np.isfinite(distortion.coefficients).all():
            raise DistortionError(
                f'camera_info has the distortion coefficients {distortion.coefficients}, which '
                'are not all numbers; calibrate the camera.'
            )
        i = intrinsics
        matrix = np.array([[i.fx_px, 0, i.cx_px], [0, i.fy_px, i.cy_px], [0, 0, 1]])
        coefficients = np.array(distortion.coefficients)
        size = (i.width_px, i.height_px)
        is_fisheye = distortion.model == 'equidistant'
        make = cv2.fisheye.initUndistortRectifyMap if is_fisheye else cv2.initUndistortRectifyMap
        # Fixed-point maps need half the memory of float maps, and remapping is faster.
        self._maps = make(matrix, coefficients, np.eye(3), matrix, size, cv2.CV_16SC2)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Undistorts an (H, W, 3) image; pixels that the lens did not see are black."""
        found = cv2.remap(rgb, self._maps[0], self._maps[1], cv2.INTER_LINEAR)
        return np.asarray(found, np.uint8)
