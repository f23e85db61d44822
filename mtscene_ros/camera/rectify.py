"""Removes lens distortion with OpenCV's models and maps that are made once per camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.terminal import plural
from mtscene_ros.types import Intrinsics

F64 = NDArray[np.float64]

# Two families of OpenCV → how many coefficients they can have. A longer vector begins as a shorter
# one: k1 k2 p1 p2, k3, k4 k5 k6, s1 s2 s3 s4 (thin prism), tau_x tau_y (tilted sensor).
PINHOLE, FISHEYE = (4, 5, 8, 12, 14), (4,)
# distortion_model → its family; names as drivers and calibration tools write them.
MODELS = {
    'plumb_bob': PINHOLE,
    'rational_polynomial': PINHOLE,
    'radtan': PINHOLE,
    'radial_tangential': PINHOLE,
    'brown_conrady': PINHOLE,
    'thin_prism': PINHOLE,
    'thin_prism_model': PINHOLE,
    'tilted_model': PINHOLE,
    'equidistant': FISHEYE,
    'fisheye': FISHEYE,
    'kannala_brandt': FISHEYE,
    'kannala_brandt4': FISHEYE,
}
SAMPLES = 4096  # of the radius, where the search for the end of the lens model looks


class DistortionError(ValueError):
    """The distortion cannot be removed; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Distortion:
    """A lens distortion; model: a name of sensor_msgs/distortion_models; coefficients: D."""

    model: str
    coefficients: tuple[float, ...]

    @property
    def family(self) -> tuple[int, ...]:
        """PINHOLE, FISHEYE, or () for a model that is not known."""
        return MODELS.get(self.model.strip().lower().replace('-', '_'), ())

    @property
    def is_none(self) -> bool:
        """Whether a pinhole sees the same image; a fisheye bends it with coefficients of 0 too."""
        bends = self.family == FISHEYE and bool(self.coefficients)
        return not bends and not any(self.coefficients)

    def fitting(self) -> F64:
        """Returns the coefficients in a number that OpenCV takes. Raises DistortionError.

        Zeros at the end mean nothing, so that some drivers send more of them and some none.
        """
        values = list(self.coefficients)
        while values and values[-1] == 0:
            values.pop()
        count = next((n for n in self.family if n >= len(values)), 0)
        is_padded = len(self.coefficients) > len(values)
        if not count or not (is_padded or len(values) in self.family):
            known = ', '.join(f'{name} {counts}' for name, counts in MODELS.items())
            raise DistortionError(
                f'camera_info has distortion_model {self.model!r} with '
                f'{plural(len(self.coefficients), "coefficient")}; supported are {known}: rectify '
                'the image beforehand and set input_is_rectified to true.'
            )
        if not np.isfinite(values).all():
            raise DistortionError(
                f'camera_info has the distortion coefficients {self.coefficients}, which '
                'are not all numbers; calibrate the camera.'
            )
        return np.array(values + [0.0] * (count - len(values)))


class Rectifier:
    """Undistorts the images of one camera, as a pinhole camera with the same matrix sees them.

    unseen: (H, W) bool, the pixels whose rays the lens did not see, None where it saw all. Raises
    DistortionError for models that OpenCV does not support.
    """

    def __init__(self, intrinsics: Intrinsics, distortion: Distortion) -> None:
        self.intrinsics, self.distortion = intrinsics, distortion
        coefficients = distortion.fitting()
        i = intrinsics
        matrix = np.array([[i.fx_px, 0, i.cx_px], [0, i.fy_px, i.cy_px], [0, 0, 1]])
        size = (i.width_px, i.height_px)
        is_fisheye = distortion.family == FISHEYE
        make = cv2.fisheye.initUndistortRectifyMap if is_fisheye else cv2.initUndistortRectifyMap
        # Fixed-point maps need half the memory of float maps, and remapping is faster.
        self._maps = make(matrix, coefficients, np.eye(3), matrix, size, cv2.CV_16SC2)
        u, v = make(matrix, coefficients, np.eye(3), matrix, size, cv2.CV_32FC1)
        seen = (u >= -0.5) & (u <= size[0] - 0.5) & (v >= -0.5) & (v <= size[1] - 0.5)
        seen &= radii(intrinsics) <= largest_radius(coefficients, intrinsics, is_fisheye)
        self.unseen: NDArray[np.bool_] | None = None if seen.all() else ~seen

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Undistorts an (H, W, 3) image; pixels that the lens did not see are black."""
        found = cv2.remap(rgb, self._maps[0], self._maps[1], cv2.INTER_LINEAR)
        return np.asarray(found, np.uint8)


def radii(intrinsics: Intrinsics) -> F64:
    """Returns (H, W), the distance of each pixel's ray from the axis at a depth of 1."""
    i = intrinsics
    x = (np.arange(i.width_px) - i.cx_px) / i.fx_px
    y = (np.arange(i.height_px) - i.cy_px) / i.fy_px
    return np.asarray(np.hypot(x, y[:, None]), np.float64)


def largest_radius(coefficients: F64, intrinsics: Intrinsics, is_fisheye: bool) -> float:
    """Returns the radius at a depth of 1 up to which a lens model can be believed.

    A polynomial fits the rays that were calibrated. Farther out it may turn back towards the
    centre, which would show the middle of the image a second time; no lens does that.
    """
    r = np.tan(np.linspace(0, np.arctan(radii(intrinsics).max()), SAMPLES))
    with np.errstate(all='ignore'):  # a wild polynomial may overflow; what it gives is not used
        if is_fisheye:
            theta = np.arctan(r)
            powers = [theta ** (2 * n + 3) for n in range(4)]
            bent = theta + sum(k * power for k, power in zip(coefficients, powers, strict=True))
        else:
            k1, k2, _, _, k3, k4, k5, k6 = [*coefficients, *[0.0] * 4][:8]
            below = 1 + r**2 * (k4 + r**2 * (k5 + r**2 * k6))
            bent = r * (1 + r**2 * (k1 + r**2 * (k2 + r**2 * k3)))
            bent = bent / np.where(below > 0, below, np.nan)
        grows = np.diff(bent) > 0
    return float(r[-1]) if grows.all() else float(r[int(grows.argmin())])
