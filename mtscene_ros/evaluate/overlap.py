"""Intersection over union of boxes in space."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.geometry import matrix_from_quaternion
from mtscene_ros.types import Boxes3D

F64 = NDArray[np.float64]
_CORNERS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2


def iou_3d(a: Boxes3D, b: Boxes3D) -> F64:
    """(N, M). Exact for boxes that share their up axis, as KITTI's do (its benchmark's measure);
    tilted ones are taken upright along a's."""
    found = np.zeros((len(a), len(b)))
    turned = matrix_from_quaternion(a.quaternions_xyzw), matrix_from_quaternion(b.quaternions_xyzw)
    for i in range(len(a)):
        reach_m = np.linalg.norm(a.sizes_m[i]) + np.linalg.norm(b.sizes_m, axis=1)
        gap_m = np.linalg.norm(b.centers_m - a.centers_m[i], axis=1)
        for j in np.flatnonzero(gap_m < reach_m / 2):
            local_from_b = turned[0][i].T @ turned[1][j]
            center = turned[0][i].T @ (b.centers_m[j] - a.centers_m[i])
            found[i, j] = _overlap(a.sizes_m[i], b.sizes_m[j], local_from_b, center)
    return found


def _overlap(size: F64, other: F64, local_from_other: F64, center: F64) -> float:
    """Of a box at the origin along the axes, and another."""
    rim = (_CORNERS * other[:2]) @ local_from_other[:2, :2].T + center[:2]
    own = (_CORNERS * size[:2]).astype(np.float32)
    area_m2, _ = cv2.intersectConvexConvex(own, rim.astype(np.float32))
    top = min(size[2] / 2, center[2] + other[2] / 2)
    bottom = max(-size[2] / 2, center[2] - other[2] / 2)
    both_m3 = area_m2 * max(top - bottom, 0.0)
    return float(both_m3 / (size.prod() + other.prod() - both_m3))
