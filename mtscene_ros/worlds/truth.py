"""Ground truth of a rendered scene: boxes, instances, visibility and truncation."""

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
    """Spreads values (P, ...) of the hit pixels over the image (H, W, ...)."""
    image = np.full((hits.solid.size, *values.shape[1:]), empty, values.dtype)
    image[hits.pixels] = values
    return image.reshape(*hits.solid.shape, *values.shape[1:])


def truth_of(
    objects: list[tuple[int, Solid]],
    classes: tuple[SemanticClass, ...],
    hits: Hits,
    owners: NDArray[np.uint16],
    viewpoint: tuple[Intrinsics, F64],
) -> tuple[NDArray[np.uint16], Boxes3D, F32, F32]:
    """Returns the instances renumbered to the visible boxes, the boxes, and their visible and
    truncated fractions.

    objects: class and tight block of every object, in the order of the owners 1, 2, ...; owners:
    (H, W), 0 for none; viewpoint: intrinsics and world_from_optical.
    """
    camera, pose = viewpoint
    count = np.bincount(owners.ravel(), minlength=len(objects) + 1)[1:]
    kept = np.flatnonzero(count)
    number = np.zeros(len(objects) + 1, np.uint16)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    seen = [objects[k][1] for k in kept]
    centers = np.array([b.center_m for b in seen]).reshape(-1, 3) - pose[:3, 3]
    rotations = pose[:3, :3].T @ np.array([b.world_from_local for b in seen]).reshape(-1, 3, 3)
    boxes = Boxes3D(
        class_ids=np.array([objects[k][0] for k in kept], np.int64),
        scores=np.ones(len(kept), np.float32),
        centers_m=centers @ pose[:3, :3],
        sizes_m=2 * np.array([b.half_m for b in seen]).reshape(-1, 3),
        quaternions_xyzw=quaternion_from_matrix(rotations),
        classes=classes,
    )
    unoccluded_px = np.array([hits.silhouettes[int(k) + 1].sum() for k in kept])
    corners = box_corners(boxes.centers_m, boxes.sizes_m, rotations)
    visible = (count[kept] / unoccluded_px).astype(np.float32)
    return number[owners], boxes, visible, _truncated(corners, camera)


def _truncated(corners: F64, camera: Intrinsics) -> F32:
    """Returns the fraction of each projected box's rectangle outside the image.

    Corners closer than NEAR_PLANE_M are projected at that depth.
    """
    z = np.maximum(corners[..., 2], raycast.NEAR_PLANE_M)
    u = corners[..., 0] / z * camera.fx_px + camera.cx_px + 0.5
    v = corners[..., 1] / z * camera.fy_px + camera.cy_px + 0.5
    low, high = np.stack([u.min(-1), v.min(-1)], -1), np.stack([u.max(-1), v.max(-1)], -1)
    frame = np.array([camera.width_px, camera.height_px], np.float64)
    inside = np.maximum(np.minimum(high, frame) - np.maximum(low, 0), 0).prod(-1)
    return np.asarray((1 - inside / (high - low).prod(-1)).clip(0, 1), np.float32)
