"""Building blocks of objects: looks, materials, colours, and shorthands that create solids."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.worlds.solid import BLOCK, CYLINDER, ELLIPSOID, F64, Solid, extent

Rgb = tuple[float, float, float]
Point = tuple[float, float, float] | F64
# Materials, by which textures.py shades.
PLAIN, GROUND, FACADE, FOLIAGE, CABIN, COACH, LAMP = range(7)
BARS, SIGN, WHEEL, BRICK, CLOTH, SIGNAL = range(7, 13)
WOOD, TILES, SPINES, PICTURE, GLASS = range(13, 18)
# Cityscapes' train ids (classes.CITYSCAPES_19); those of the ground are in road.ZONE_LABELS.
ROAD, BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN = 0, *range(2, 8)
VEGETATION, TERRAIN, SKY, PERSON, RIDER, CAR, TRUCK, BUS = range(8, 16)
TRAIN, MOTORCYCLE, BICYCLE = range(16, 19)

DARK: Rgb = (0.03, 0.03, 0.035)
PANE: Rgb = (0.04, 0.05, 0.06)
WHITE: Rgb = (0.9, 0.9, 0.85)
RED: Rgb = (0.6, 0.02, 0.02)
AMBER: Rgb = (0.9, 0.5, 0.05)
ALONG_X = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # rotates a cylinder's axis to x


@dataclass(frozen=True, slots=True)
class Look:
    """Appearance of a solid: linear RGB, material, class id, seed of the pattern, and body part (0
    if the solid is not part of a person)."""

    color: Rgb
    material: int
    label: int
    seed: float = 0.0
    part: int = 0


def turn(heading_rad: float) -> F64:
    """Returns the rotation (3, 3) about z."""
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def box(
    look: Look, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, *inset: float
) -> Solid:
    """Block between bounds; inset: how far the top is set in at front, rear and sides, metres."""
    front, rear, side = inset or (0.0, 0.0, 0.0)
    center, half = np.array([x0 + x1, y0 + y1, z0 + z1]) / 2, np.array([x1 - x0, y1 - y0, z1 - z0])
    return Solid(BLOCK, center, half / 2, inset_m=(front, rear, side), look=look)


def slab(
    look: Look, x0: float, x1: float, half_y: float, z0: float, z1: float, *inset: float
) -> Solid:
    """Block that is symmetric about the plane y = 0."""
    return box(look, x0, x1, -half_y, half_y, z0, z1, *inset)


def pair(
    look: Look, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float
) -> list[Solid]:
    """A block on the right (negative y) and its mirror image on the left."""
    return [box(look, x0, x1, -y1, -y0, z0, z1), box(look, x0, x1, y0, y1, z0, z1)]


def ball(look: Look, center: Point, half: Point) -> Solid:
    return Solid(ELLIPSOID, np.array(center), np.array(half), look=look)


def rod(look: Look, start: Point, end: Point, radius: float, flat: float = 1.0) -> Solid:
    """Round rod between two points; flat: width across relative to the width along x."""
    a, b = np.array(start), np.array(end)
    length = float(np.linalg.norm(b - a))
    z = (b - a) / length
    x = np.cross(z, [0.0, 1, 0] if abs(z[1]) < 0.9 else [1.0, 0, 0])
    x /= np.linalg.norm(x)
    frame = np.stack([x, np.cross(z, x), z], 1)
    half = np.array([radius, radius * flat, length / 2])
    return Solid(CYLINDER, (a + b) / 2, half, frame, look=look)


def wheel(x: float, y: float, radius: float, width: float, label: int, hole: float = 0.0) -> Solid:
    """Disc that stands on the ground with its axis along y."""
    frame = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    look, half = Look(DARK, WHEEL, label), np.array([radius, radius, width / 2])
    return Solid(CYLINDER, np.array([x, y, radius]), half, frame, hole=hole, look=look)


def lamps(length: float, width: float, z: float, size: float, label: int) -> list[Solid]:
    """A white pair in front and a red pair behind, which reveal the heading."""
    half, outer = length / 2, width / 2 - 0.08
    inner = outer - 1.6 * size
    head, tail = Look(WHITE, LAMP, label), Look(RED, LAMP, label)
    return [
        *pair(head, half - 0.15, half, inner, outer, z, z + size),
        *pair(tail, -half, -half + 0.15, inner, outer, z + 0.03, z + size * 1.3),
    ]


def centred(parts: list[Solid]) -> tuple[list[Solid], F64]:
    """Moves the parts so that their tight box stands centred on the origin. Returns the parts and
    half the size of the box."""
    low = np.array([p.center_m - extent(p) for p in parts]).min(axis=0)
    high = np.array([p.center_m + extent(p) for p in parts]).max(axis=0)
    middle = (low + high) / 2
    shift = np.array([middle[0], middle[1], low[2]])
    return [replace(p, center_m=p.center_m - shift) for p in parts], (high - low) / 2


def placed(parts: list[Solid], rotation: F64, origin: F64, owner: int = 0) -> list[Solid]:
    """Rotates the parts, then moves them to `origin`."""
    return [
        replace(
            p,
            center_m=rotation @ p.center_m + origin,
            world_from_local=rotation @ p.world_from_local,
            owner=owner,
        )
        for p in parts
    ]


def shifted(parts: list[Solid], x: float, y: float, z: float) -> list[Solid]:
    return [replace(p, center_m=p.center_m + np.array([x, y, z])) for p in parts]


def paint(rng: np.random.Generator) -> Rgb:
    """Draws a colour for vehicles and clothes: half are greys, including asphalt's, half any
    hue."""
    if rng.random() < 0.5:
        grey = float(rng.choice([0.02, 0.06, 0.15, 0.35, 0.75])) * rng.uniform(0.8, 1.2)
        return rgb(grey * rng.normal(1, 0.04, 3))
    return hue(rng, rng.uniform(0.2, 0.95), rng.uniform(0.08, 0.7))


def hue(rng: np.random.Generator, saturation: float, value: float) -> Rgb:
    """Draws a hue at the given saturation and value."""
    pure = 0.5 + 0.5 * np.cos(rng.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2]))
    return rgb(value * (1 - saturation * (1 - pure)))


def skin(rng: np.random.Generator) -> Rgb:
    return rgb(np.array([0.75, 0.5, 0.38]) * rng.uniform(0.25, 1.0))


def rgb(values: NDArray[np.float64]) -> Rgb:
    return float(values[0]), float(values[1]), float(values[2])
