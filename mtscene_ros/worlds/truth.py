"""What a rendered scene knows: boxes, instances, and how much of each object is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import box_corners, quaternion_from_matrix
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass
from mtscene_ros.worlds import raycast
from mtscene_ros.worlds.raycast import Hits
from mtscene_ros.worlds.solid import F32, F64, Solid


def image_of(hits: Hits, values: NDArray[Any], empty: int = 0) -> NDArray[Any]:
    """(P, ...) values of the hit pixels → (H, W, ...)."""
    image = np.full((hits.solid.size, *values.shape[1:]), empty, values.dtype)
    image[hits.pixels] = values
    return image.reshape(*hits.solid.shape, *values.shape[1:])


def truth_of(
    things: list[tuple[int, Solid]],
    classes: tuple[SemanticClass, ...],
    hits: Hits,
    owners: NDArray[np.uint16],
    viewpoint: tuple[Intrinsics, F64],
) -> tuple[NDArray[np.uint16], Boxes3D, F32, F32]:
    """Instances renumbered to the seen boxes, the boxes, their visible and truncated shares.

    things: class and tight block of every object, the owners 1, 2, ...; owners: (H, W), 0 for
    none; viewpoint: intrinsics and world_from_optical.
    """
    camera, pose = viewpoint
    count = np.bincount(owners.ravel(), minlength=len(things) + 1)[1:]
    kept = np.flatnonzero(count)
    number = np.zeros(len(things) + 1, np.uint16)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    seen = [things[k][1] for k in kept]
    centers = np.array([b.center_m for b in seen]).reshape(-1, 3) - pose[:3, 3]
    rotations = pose[:3, :3].T @ np.array([b.world_from_local for b in seen]).reshape(-1, 3, 3)
    boxes = Boxes3D(
        class_ids=np.array([things[k][0] for k in kept], np.int64),
        scores=np.ones(len(kept), np.float32),
        centers_m=centers @ pose[:3, :3],
        sizes_m=2 * np.array([b.half_m for b in seen]).reshape(-1, 3),
        quaternions_xyzw=quaternion_from_matrix(rotations),
        classes=classes,
    )
    alone = np.array([hits.silhouettes[int(k) + 1].sum() for k in kept])
    corners = box_corners(boxes.centers_m, boxes.sizes_m, rotations)
    visible = (count[kept] / alone).astype(np.float32)
    return number[owners], boxes, visible, _truncated(corners, camera)


def _truncated(corners: F64, camera: Intrinsics) -> F32:
    """Share of each projected box's rectangle outside the image.

    Depths are at least NEAR_PLANE_M.
    """
    z = np.maximum(corners[..., 2], raycast.NEAR_PLANE_M)
    u = corners[..., 0] / z * camera.fx_px + camera.cx_px + 0.5
    v = corners[..., 1] / z * camera.fy_px + camera.cy_px + 0.5
    low, high = np.stack([u.min(-1), v.min(-1)], -1), np.stack([u.max(-1), v.max(-1)], -1)
    frame = np.array([camera.width_px, camera.height_px], np.float64)
    inside = np.maximum(np.minimum(high, frame) - np.maximum(low, 0), 0).prod(-1)
    return np.asarray((1 - inside / (high - low).prod(-1)).clip(0, 1), np.float32)
