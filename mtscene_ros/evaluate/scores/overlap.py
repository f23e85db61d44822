"""Computes the intersection over union of 3D boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion
from mtscene_ros.types import Boxes3D

F64 = NDArray[np.float64]
_CORNERS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2


def iou_3d(a: Boxes3D, b: Boxes3D) -> F64:
    """Returns the (N, M) IoU of two sets of boxes, as the KITTI benchmark measures it.

    This is exact for boxes that share their up axis, as those of KITTI do; tilted boxes are taken
    as upright in the axes of a.
    """
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
    """Returns the IoU of an axis-aligned box at the origin and another box."""
    rim = (_CORNERS * other[:2]) @ local_from_other[:2, :2].T + center[:2]
    if np.linalg.det(local_from_other[:2, :2]) < 0:
        rim = rim[::-1]  # upside down, so the corners run clockwise
    top = min(size[2] / 2, center[2] + other[2] / 2)
    bottom = max(-size[2] / 2, center[2] - other[2] / 2)
    both_m3 = area(clipped(rim, size[:2] / 2)) * max(top - bottom, 0.0)
    return float(both_m3 / (size.prod() + other.prod() - both_m3))


def clipped(polygon: F64, half: F64) -> F64:
    """Clips a convex polygon (N, 2) to |x| <= half[0], |y| <= half[1] (Sutherland and Hodgman,
    1974).

    OpenCV's intersectConvexConvex is not used, because it returns 0 or a third of the area for
    rectangles that are equal up to rounding.
    """
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
    """Returns the area of a simple polygon (N, 2), positive if counter-clockwise (shoelace
    formula)."""
    x, y = polygon[:, 0], polygon[:, 1]
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
