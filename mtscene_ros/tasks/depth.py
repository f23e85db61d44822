"""Depth: metres at the focal length of training → metres of this camera.

The reason: docs/architecture.md, section Depth and boxes under another camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options
from mtscene_ros.types import CameraFrame, DepthMap

OUTPUTS = ('depth',)
NEARLY = 1 - 1e-5  # enlarging may round up
NEEDS_INTRINSICS = True


def camera_scale(frame: CameraFrame, letterbox: Letterbox, focal_px: float) -> float:
    """Returns metres of this camera per canonical metre.

    That is the camera's focal length at network size over the one of the spec. An object of given
    size at depth Z covers f Z^-1 pixels, so a network that learned at focal_px sees an object at Z
    as one at Z focal_px / f (Yin et al., Metric3D, ICCV 2023, eq. 2).
    """
    assert frame.intrinsics is not None, 'the estimator skips uncalibrated cameras'
    return frame.intrinsics.fx_px * float(letterbox.scales[0]) / focal_px


def reached_rows(is_reached: NDArray[np.bool_], letterbox: Letterbox, is_enlarged: bool) -> slice:
    """Returns the rows of the camera's map that pixels of the network's map may reach, since
    looking at every pixel of a large map takes longer than enlarging it.

    is_enlarged: the map has the camera's size already.
    """
    rows = np.flatnonzero(is_reached.any(1))
    if not len(rows):
        return slice(0, 0)
    if is_enlarged:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return letterbox.camera_rows(int(rows[0]), int(rows[-1]), len(is_reached))


def decoder(
    options: Options,
) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], DepthMap]:
    """Returns the function that decodes one image.

    options: {convention: 'metric', focal_px, min_m, max_m} with the range in canonical metres; or
    convention 'disparity' with baseline_m too, where the tensor holds focal_px * baseline_m /
    depth. Raises ValueError for another convention or an impossible range.
    """
    if options['convention'] not in ('metric', 'disparity'):
        raise ValueError(
            f'depth convention {options["convention"]!r} is not "metric" or "disparity"'
        )
    is_disparity = options['convention'] == 'disparity'
    baseline_m = float(options['baseline_m']) if is_disparity else 0.0
    focal_px, min_m, max_m = (float(options[key]) for key in ('focal_px', 'min_m', 'max_m'))
    if not (0 < focal_px < math.inf and 0 <= min_m < max_m):
        raise ValueError(f'focal_px {focal_px}, range {min_m} to {max_m} m')

    def decode(
        outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, frame: CameraFrame
    ) -> DepthMap:
        scale = np.float32(camera_scale(frame, letterbox, focal_px))
        raw = outputs['depth'].astype(np.float32, copy=False)
        if is_disparity:  # disparity is linear in the image; 0 means sky, infinitely far away
            metres = baseline_m * focal_px / letterbox.to_camera(raw, smooth=True).clip(1e-6)
            canonical_m = metres.astype(np.float32, copy=False)
            depth_m = canonical_m * scale
        else:  # enlarging is linear, so the few pixels of the network are scaled and tested
            canonical_m = raw
            depth_m = letterbox.to_camera(raw * scale, smooth=True)
        if (canonical_m >= max_m).any():
            far = depth_m[reached_rows(canonical_m >= NEARLY * max_m, letterbox, is_disparity)]
            far[far >= np.float32(max_m) * scale] = np.inf
        if (canonical_m < min_m).any():
            near = depth_m[reached_rows(canonical_m < min_m / NEARLY, letterbox, is_disparity)]
            near[near < np.float32(min_m) * scale] = -np.inf
        return DepthMap(depth_m)

    return decode
