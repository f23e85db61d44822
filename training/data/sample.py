"""What training knows about one image, in NumPy, before targets are made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Intrinsics


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image with its truth.

    rgb: (H, W, 3) uint8; labels: (H, W) uint8, 255 unknown; depth_m: (H, W) float32 along optical
    z, inf for sky, NaN unknown; class_ids: (N,) int64; centers_m: (N, 3) geometric centres in the
    optical frame; sizes_m: (N, 3) length, width, height; yaw_rad: (N,) KITTI's rotation_y;
    visible, truncated: (N,) shares in [0, 1]; normals: (H, W, 3) unit, optical frame, towards the
    camera, zero unknown; boundary: (H, W) uint8, 1 where the next object begins to the right or
    below, 255 unknown; both None where nothing is known.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: Intrinsics
    class_ids: NDArray[np.int64]
    centers_m: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    visible: NDArray[np.float32]
    truncated: NDArray[np.float32]
    normals: NDArray[np.float32] | None = None
    boundary: NDArray[np.uint8] | None = None
