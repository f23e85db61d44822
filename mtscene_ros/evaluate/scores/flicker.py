"""Finds labels that change although the scene did not.

Depth and TF move the labels of the previous image into the current one, where they are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import project, unproject
from mtscene_ros.types import UNLABELED, Ids, Intrinsics

F64 = NDArray[np.float64]
SAME_DEPTH = 0.05  # relative; a point whose depth differs more is hidden or moves
NEAR_PLANE_M = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class FlickerFrame:
    """One image: labels (H, W), depth along z (H, W) in metres, true labels (H, W) or None."""

    labels: Ids
    depth_m: NDArray[np.float32]
    camera: Intrinsics
    truth: NDArray[np.uint8] | None = None


def flicker(before: FlickerFrame, now: FlickerFrame, before_from_now: F64) -> tuple[int, int]:
    """Returns the number of pixels whose label changed, and of all that can be compared.

    A pixel of the current image can be compared if the previous one shows the same point of the
    world. before_from_now: (4, 4) between the optical frames. Where the truth is known, pixels
    whose true label differs (edges between pixels, objects that move) are left out.
    """
    v, u = np.nonzero(np.isfinite(now.depth_m) & (now.depth_m > NEAR_PLANE_M))
    points = unproject(np.stack([u, v], 1), now.depth_m[v, u].astype(np.float64), now.camera)
    moved = points @ before_from_now[:3, :3].T + before_from_now[:3, 3]
    ahead = moved[:, 2] > NEAR_PLANE_M
    u, v, moved = u[ahead], v[ahead], moved[ahead]
    x, y = np.rint(project(moved, before.camera)).astype(np.int64).T
    height, width = before.labels.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    u, v, x, y, moved = u[inside], v[inside], x[inside], y[inside], moved[inside]
    gap_m = np.abs(
        before.depth_m[y, x] - moved[:, 2]
    )  # where it is infinite or NaN, the points differ
    same = gap_m <= SAME_DEPTH * moved[:, 2]
    if before.truth is not None and now.truth is not None:
        true = now.truth[v, u]
        same &= (before.truth[y, x] == true) & (true != UNLABELED)
    changed = before.labels[y, x] != now.labels[v, u]
    return int((changed & same).sum()), int(same.sum())
