"""Casts rays at convex solids: depth, normals, index of the solid and local coordinates.

World frame: x forward, y left, z up. Each solid is tested only inside its projected rectangle.
Rays are (x, y, 1) in the optical frame, so the ray parameter is the depth along optical z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import CORNER_SIGNS
from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds.solid import (
    BLOCK,
    CYLINDER,
    ELLIPSOID,
    F32,
    F64,
    PLANE,
    Solid,
    block_planes,
)

NEAR_PLANE_M = 0.15
_Hit = tuple[F64, NDArray[np.bool_]]  # depth, whether the ray hits
# Depth (H, W), index (H, W) and silhouettes by owner, as in Hits.
Nearest = tuple[F64, NDArray[np.int32], dict[int, NDArray[np.bool_]]]
# between the two camera frames of REP-103
OPTICAL_FROM_CAMERA = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
_PAIRS = np.array([[i, j] for i in range(8) for j in range(i)])


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The first hit of each pixel's ray.

    depth_m: (H, W) float64, inf without a hit; solid: (H, W) int32 index, -1 without a hit;
    silhouettes: {owner > 0: (H, W) bool}, the pixels that the owner would cover if nothing
    occluded it; pixels: (P,) flat indices of the pixels with a hit; local_m, normals_local,
    normals_optical: (P, 3) float32 at those pixels.
    """

    depth_m: F64
    solid: NDArray[np.int32]
    silhouettes: dict[int, NDArray[np.bool_]]
    pixels: NDArray[np.int64]
    local_m: F32
    normals_local: F32
    normals_optical: F32


Caster = Callable[[list[Solid], F64, F64, Intrinsics], Nearest]


def cast(solids: list[Solid], intrinsics: Intrinsics, world_from_optical: F64) -> Hits:
    """Intersects every pixel's ray with all solids (pinhole camera; world_from_optical (4, 4))."""
    optical_from_world = world_from_optical[:3, :3].T
    rotations = optical_from_world @ np.array([s.world_from_local for s in solids])
    centers = (
        np.array([s.center_m for s in solids]) - world_from_optical[:3, 3]
    ) @ optical_from_world.T
    depth_m, index, silhouettes = _caster[0](solids, rotations, centers, intrinsics)
    axes = pixel_rays(intrinsics)
    surface = _surface(solids, index, depth_m, *axes, rotations, centers)
    return Hits(depth_m, index, silhouettes, *surface)


def pixel_rays(camera: Intrinsics) -> tuple[F64, F64]:
    """Returns x of every column and y of every row at depth 1."""
    xs = (np.arange(camera.width_px, dtype=np.float64) - camera.cx_px) / camera.fx_px
    return xs, (np.arange(camera.height_px, dtype=np.float64) - camera.cy_px) / camera.fy_px


def nearest(solids: list[Solid], rotations: F64, centers: F64, camera: Intrinsics) -> Nearest:
    """Reference caster: tests each solid in turn. rotations (N, 3, 3) and centers (N, 3) are in
    the optical frame."""
    xs, ys = pixel_rays(camera)
    ys = ys[:, None]
    depth_m = np.full((camera.height_px, camera.width_px), np.inf)
    index = np.full(depth_m.shape, -1, np.int32)
    silhouettes: dict[int, NDArray[np.bool_]] = {}
    for i, solid in enumerate(solids):
        rows, columns = rectangle(solid, rotations[i], centers[i], camera)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        t, hit = _INTERSECT[solid.kind](solid, rotations[i], centers[i], xs[columns], ys[rows])
        if solid.owner > 0:
            shape = silhouettes.setdefault(solid.owner, np.zeros(depth_m.shape, np.bool_))
            shape[rows, columns] |= hit
        before = depth_m[rows, columns]
        hit &= t < before
        np.copyto(before, t, where=hit)
        np.copyto(index[rows, columns], i, where=hit)
    return depth_m, index, silhouettes


_caster: list[Caster] = [nearest]


def set_caster(caster: Caster) -> None:
    """Sets the function by which `cast` finds the nearest solids in this process, see
    raycast_gl.py."""
    _caster[0] = caster


def _surface(
    solids: list[Solid],
    index: NDArray[np.int32],
    depth_m: F64,
    xs: F64,
    ys: F64,
    rotations: F64,
    centers: F64,
) -> tuple[NDArray[np.int64], F32, F32, F32]:
    """Returns the pixels sorted by solid, their local points, and local and optical normals."""
    pixels = np.argsort(index.ravel().astype(np.int16), kind='stable')
    starts = np.searchsorted(index.ravel()[pixels], np.arange(len(solids) + 1))
    pixels = pixels[starts[0] :]
    starts = starts - starts[0]
    z = depth_m.ravel()[pixels]
    row, column = np.divmod(pixels, len(xs))
    local = np.stack([xs[column] * z, ys[row] * z, z], 1)
    normals, optical = np.empty(local.shape, np.float32), np.empty(local.shape, np.float32)
    for i in np.flatnonzero(np.diff(starts)):
        part = slice(starts[i], starts[i + 1])
        local[part] = (local[part] - centers[i]) @ rotations[i]
        normals[part] = _NORMALS[solids[i].kind](solids[i], local[part])
        optical[part] = normals[part] @ rotations[i].T.astype(np.float32)
    return pixels, local.astype(np.float32), normals, optical


def rectangle(solid: Solid, rotation: F64, center: F64, camera: Intrinsics) -> tuple[slice, slice]:
    """Returns the rows and columns that can see the solid: its bounding box, clipped at
    NEAR_PLANE_M and projected."""
    if solid.kind == PLANE:
        return slice(0, camera.height_px), slice(0, camera.width_px)
    return window((CORNER_SIGNS * solid.half_m) @ rotation.T + center, camera)


def window(corners: F64, camera: Intrinsics) -> tuple[slice, slice]:
    """Returns the rows and columns that can see the convex hull of points (8, 3), optical
    frame."""
    near = corners[:, 2] < NEAR_PLANE_M
    if near.all():
        return slice(0, 0), slice(0, 0)
    if near.any():
        a, b = corners[_PAIRS[:, 0]], corners[_PAIRS[:, 1]]
        cut = (a[:, 2] < NEAR_PLANE_M) != (b[:, 2] < NEAR_PLANE_M)
        a, b = a[cut], b[cut]
        share = ((NEAR_PLANE_M - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None]
        corners = np.concatenate([corners[~near], a + share * (b - a)])
    u = corners[:, 0] / corners[:, 2] * camera.fx_px + camera.cx_px
    v = corners[:, 1] / corners[:, 2] * camera.fy_px + camera.cy_px
    left, top = int(np.ceil(max(u.min(), 0))), int(np.ceil(max(v.min(), 0)))
    right = int(np.floor(min(u.max(), camera.width_px - 1)))
    bottom = int(np.floor(min(v.max(), camera.height_px - 1)))
    return slice(top, bottom + 1), slice(left, right + 1)


def _clip(normals: F64, offsets: F64, xs: F64, ys: F64) -> tuple[F64, F64]:
    """Returns where rays enter and leave the half spaces normals @ p <= offsets, optical frame."""
    enter = np.full((len(ys), len(xs)), NEAR_PLANE_M)
    leave = np.full((len(ys), len(xs)), np.inf)
    for (a, b, c), offset in zip(normals, offsets, strict=True):
        slope = xs * a + (ys * b + c)
        if offset < 0:  # the camera is outside this plane, so rays must cross it inwards
            t = offset / np.where(slope < 0, slope, -1e-12)
            np.maximum(enter, t, out=enter)
        else:
            t = offset / np.maximum(slope, 1e-12)
            np.minimum(leave, t, out=leave)
    return enter, leave


def _intersect_block(solid: Solid, rotation: F64, center: F64, xs: F64, ys: F64) -> _Hit:
    normals, offsets = block_planes(solid.half_m, solid.inset_m)
    normals = normals @ rotation.T
    enter, leave = _clip(normals, offsets + normals @ center, xs, ys)
    return enter, (enter < leave) & (enter > NEAR_PLANE_M)


def _quadric(
    axes: F64, rotation: F64, center: F64, xs: F64, ys: F64
) -> tuple[F64, F64, NDArray[np.bool_]]:
    """Returns both intersections with |axes * local| = 1; axes are 1 / half extents, 0 along an
    unbounded axis."""
    m = rotation * axes**2 @ rotation.T
    a = xs * (m[0, 0] * xs + 2 * m[0, 2]) + ys * (m[1, 1] * ys + 2 * m[1, 2]) + m[2, 2]
    a = np.maximum(a + (2 * m[0, 1] * ys) * xs, 1e-12)
    linear = m @ center
    b = linear[0] * xs + (linear[1] * ys + linear[2])
    square = b * b - a * (center @ linear - 1)
    root = np.sqrt(np.maximum(square, 0))
    return (b - root) / a, (b + root) / a, square > 0


def _intersect_ellipsoid(solid: Solid, rotation: F64, center: F64, xs: F64, ys: F64) -> _Hit:
    m = rotation * solid.half_m**-2.0 @ rotation.T
    t, _, hit = _quadric(1 / solid.half_m, rotation, center, xs, ys)
    hit &= t > NEAR_PLANE_M
    if solid.ragged > 0:
        p = [xs * t - center[0], ys * t - center[1], t - center[2]]
        x, y, z = (p[0] * a + p[1] * b + p[2] * c for a, b, c in rotation.T)
        facing = -sum(p[i] * (xs * m[i, 0] + (ys * m[i, 1] + m[i, 2])) for i in range(3))
        facing *= np.sqrt(solid.half_m.prod() ** (2 / 3)) / np.sqrt(xs * xs + ys * ys + 1)
        # The steps are fixed to the surface: the rim looks the same from every viewpoint.
        leaves = (
            np.sin(9 * x + 3 * np.sin(11 * y))
            + np.sin(10 * y + 3 * np.sin(12 * z))
            + np.sin(8 * z + 3 * np.sin(9 * x))
        )
        hit &= facing > solid.ragged * (1 + 0.5 * leaves)
    return t, hit


def _intersect_cylinder(solid: Solid, rotation: F64, center: F64, xs: F64, ys: F64) -> _Hit:
    axes = np.array([1 / solid.half_m[0], 1 / solid.half_m[1], 0.0])
    near, far, hit = _quadric(axes, rotation, center, xs, ys)
    axis = rotation[:, 2]
    caps = np.array([axis, -axis])
    enter, leave = _clip(caps, solid.half_m[2] + caps @ center, xs, ys)
    t = np.maximum(near, enter)
    end = np.minimum(far, leave)
    hit &= (t < end) & (t > NEAR_PLANE_M)
    if solid.hole > 0:
        inner_near, inner_far, inner = _quadric(axes / solid.hole, rotation, center, xs, ys)
        hit &= ~(inner & (inner_near < t) & (inner_far > end))
    return t, hit


def _intersect_plane(_: Solid, rotation: F64, center: F64, xs: F64, ys: F64) -> _Hit:
    normal = rotation[:, 2]
    slope = normal[0] * xs + (normal[1] * ys + normal[2])
    hit = slope < -1e-9
    t = (normal @ center) / np.where(hit, slope, -1e-9)
    return t, hit & (t > NEAR_PLANE_M)


_INTERSECT = {
    BLOCK: _intersect_block,
    ELLIPSOID: _intersect_ellipsoid,
    CYLINDER: _intersect_cylinder,
    PLANE: _intersect_plane,
}


def _block_normals(solid: Solid, local: F64) -> F64:
    normals, offsets = block_planes(solid.half_m, solid.inset_m)
    return np.asarray(normals[(local @ normals.T - offsets).argmax(1)])


def _ellipsoid_normals(solid: Solid, local: F64) -> F64:
    return _unit(local / solid.half_m**2)


def _cylinder_normals(solid: Solid, local: F64) -> F64:
    unit = local / solid.half_m
    height = np.abs(unit[:, 2])
    cap = height >= np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1 - 1e-3)
    side = _unit(unit / solid.half_m * [1, 1, 0])
    return np.where(cap[:, None], np.sign(unit) * [0, 0, 1], side)


def _plane_normals(_: Solid, local: F64) -> F64:
    return np.broadcast_to([0.0, 0.0, 1.0], local.shape)


def _unit(vectors: F64) -> F64:
    square = np.einsum('ij,ij->i', vectors, vectors)
    return np.asarray(vectors / np.sqrt(np.maximum(square, 1e-30))[:, None])


_NORMALS = {
    BLOCK: _block_normals,
    ELLIPSOID: _ellipsoid_normals,
    CYLINDER: _cylinder_normals,
    PLANE: _plane_normals,
}
