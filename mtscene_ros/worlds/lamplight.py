"""Indoor light: lamps, windows, and the light that walls reflect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds.light import rays
from mtscene_ros.worlds.raycast import Hits
from mtscene_ros.worlds.solid import F32, F64


@dataclass(frozen=True, slots=True, eq=False)
class Lamps:
    """at_m: (L, 3) positions, world frame; power: (L, 3) linear RGB irradiance at 1 m; ambient:
    (3,) linear RGB."""

    at_m: F64
    power: F32
    ambient: F32


def random_lamps(rng: np.random.Generator, size_m: F64, windows_m: list[F64]) -> Lamps:
    """Draws a lamp below the ceiling, by night or by day, and by day a light for each window."""
    warm = np.array([1.0, 0.88, 0.7]) ** rng.uniform(0, 1.5)
    day = np.array([0.9, 1.0, 1.12]) * rng.uniform(0.5, 2.5)
    night = rng.random() < 0.35 or not windows_m
    overhead = size_m * [rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65), 1] - [0, 0, 0.15]
    at = [overhead, *([] if night else windows_m)]
    power = [warm * rng.uniform(1.0, 2.6) * (1.0 if night else rng.uniform(0, 1))]
    power += [day] * (len(at) - 1)
    ambient = 0.16 * np.mean(power, 0) + rng.uniform(0.06, 0.2)
    return Lamps(np.array(at), np.array(power, np.float32), ambient.astype(np.float32))


def illuminate_indoors(
    surface: tuple[F32, F32, F32],
    hits: Hits,
    open_share: F32,
    lamps: Lamps,
    viewpoint: tuple[Intrinsics, F64],
) -> F32:
    """Shades by Lambert's law under point lights with soft fall-off, plus ambient light, gloss and
    glow. Returns (3, H, W) linear RGB.

    surface: colour, gloss and glow of the hit pixels; open_share: (P,) fraction of the ambient
    light that reaches them; viewpoint: intrinsics and world_from_optical.
    """
    color, gloss, glow = surface
    camera, pose = viewpoint
    normals = (hits.normals_optical @ pose[:3, :3].astype(np.float32).T).T
    way = rays(hits.pixels, camera, pose)
    far = hits.depth_m.ravel()[hits.pixels] / (way @ pose[:3, 2])
    points = way.T * far.astype(np.float32) + pose[:3, 3].astype(np.float32)[:, None]
    lit = open_share * (0.8 + 0.2 * normals[2]) * lamps.ambient[:, None] + glow
    for at_m, power in zip(lamps.at_m.astype(np.float32), lamps.power, strict=True):
        toward = at_m[:, None] - points
        square = np.einsum('ij,ij->j', toward, toward)
        facing = np.maximum(np.einsum('ij,ij->j', toward, normals), 0) / np.sqrt(square + 1e-6)
        lit += facing * (0.35 + 0.65 * open_share) / (1 + 0.35 * square) * power[:, None]
    seen = color.T * lit
    mirrored = (lamps.ambient * 1.5)[:, None]
    seen += (
        gloss * (0.3 + 0.7 * (1 + np.einsum('ij,ji->i', way, normals)) ** 2) * (mirrored - seen)
    )
    image = np.zeros((3, hits.solid.size), np.float32)
    image[:, hits.pixels] = seen
    return image.reshape(3, *hits.solid.shape)
