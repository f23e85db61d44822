"""One instant of a recording, with its ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass

F64 = NDArray[np.float64]


# base_link follows REP-103 (x forward, y left, z up); the camera looks along its x axis.
BASE_FROM_OPTICAL_AXES = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What a recording contains for one instant; None or empty where it does not.

    base_from_optical, base_from_lidar: static (4, 4); map_from_base: (4, 4); points: (N, 4) x y z
    intensity in the LiDAR's frame; ids: stable id of each box.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    intrinsics: Intrinsics
    boxes: Boxes3D
    ids: list[str]
    base_from_optical: F64
    labels: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    classes: tuple[SemanticClass, ...] = ()
    points: NDArray[np.float32] | None = None
    base_from_lidar: F64 | None = None
    map_from_base: F64 | None = field(default=None)
