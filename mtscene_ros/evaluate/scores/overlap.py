"""Intersection over union of boxes in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion
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
    if np.linalg.det(local_from_other[:2, :2]) < 0:
        rim = rim[::-1]  # seen from below
    top = min(size[2] / 2, center[2] + other[2] / 2)
    bottom = max(-size[2] / 2, center[2] - other[2] / 2)
    both_m3 = area(clipped(rim, size[:2] / 2)) * max(top - bottom, 0.0)
    return float(both_m3 / (size.prod() + other.prod() - both_m3))


def clipped(polygon: F64, half: F64) -> F64:
    """The part of a convex polygon (N, 2) with |x| <= half[0], |y| <= half[1] (Sutherland and
    Hodgman, 1974). OpenCV's intersectConvexConvex says 0 or a third for rectangles that are equal
    up to rounding."""
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            inside = half[axis] - sign * polygon[:, axis]  # distance from the edge, metres
            kept = []
            for k, point in enumerate(polygon):
                before = inside[k - 1]
                if (before < 0) != (inside[k] < 0):
                    share = before / (before - inside[k])
                    kept.append(polygon[k - 1] + share * (point - polygon[k - 1]))
                if inside[k] >= 0:
                    kept.append(point)
            if not kept:
                return np.zeros((0, 2))
            polygon = np.array(kept)
    return polygon


def area(polygon: F64) -> float:
    """Of a simple polygon (N, 2), by the shoelace formula; positive counter-clockwise."""
    x, y = polygon[:, 0], polygon[:, 1]
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
