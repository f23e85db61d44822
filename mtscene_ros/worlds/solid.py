"""Convex solids, of which scenes consist. World frame: x forward, y left, z up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
BLOCK, ELLIPSOID, CYLINDER, PLANE = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """One convex solid: world_from_local (3, 3), center_m (3,), half_m (3,) half extents.

    BLOCK: a box whose top is set in by inset_m = (at +x, at -x, at both ±y) metres. ELLIPSOID:
    half axes; ragged: how much of the rim is cut away irregularly, as foliage needs. CYLINDER:
    elliptic, capped, along local z; hole: bore as a fraction of its radius. PLANE: unbounded,
    local z = 0, visible from +z. owner: the object that the solid belongs to, 0 for none. look:
    data by which the caller shades.
    """

    kind: int
    center_m: F64
    half_m: F64
    world_from_local: F64 = field(default_factory=lambda: np.eye(3))
    inset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    hole: float = 0.0
    ragged: float = 0.0
    owner: int = 0
    look: Any = None


def extent(solid: Solid) -> F64:
    """Returns (3,) half extents of the axis-aligned bound in the parent of the solid's own frame.

    The bound is tight for ellipsoids, round cylinders and blocks without inset.
    """
    rotation, half = solid.world_from_local, solid.half_m
    if solid.kind == ELLIPSOID:
        return np.asarray(np.sqrt(((rotation * half) ** 2).sum(1)))
    if solid.kind == CYLINDER:
        round_part = np.sqrt(((rotation[:, :2] * half[:2]) ** 2).sum(1))
        return np.asarray(round_part + np.abs(rotation[:, 2]) * half[2])
    return np.asarray(np.abs(rotation) @ half)


def block_planes(half_m: F64, inset_m: tuple[float, float, float]) -> tuple[F64, F64]:
    """Returns outward unit normals (6, 3) and offsets (6,) of a BLOCK; inside is normals @ p <=
    offsets."""
    (hx, hy, hz), (front, rear, side) = half_m, inset_m
    sides = [[2 * hz, 0, front], [-2 * hz, 0, rear], [0, 2 * hz, side], [0, -2 * hz, side]]
    normals = np.array([*sides, [0, 0, 1], [0, 0, -1]])
    offsets = np.array([2 * hx - front, 2 * hx - rear, 2 * hy - side, 2 * hy - side, 1, 1]) * hz
    length = np.linalg.norm(normals, axis=1)
    return normals / length[:, None], offsets / length
