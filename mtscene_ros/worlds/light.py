"""Sky, sun, fog and ground shadows, and the camera model: exposure, noise, blur and JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import CORNER_SIGNS
from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds.noise import F32, noise
from mtscene_ros.worlds.raycast import Hits, window
from mtscene_ros.worlds.solid import ELLIPSOID, F64, Solid

LEVELS = 1 << 14  # distinct readings of a 14-bit sensor


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """The weather of a world.

    sun: (3,) unit vector towards the sun, world frame; sunlight, skylight, zenith, haze: (3,)
    linear RGB; fog_per_m: extinction; offset: in [0, 256), selects clouds and ground tones.
    """

    sun: F32
    sunlight: F32
    skylight: F32
    zenith: F32
    haze: F32
    fog_per_m: float
    clouds: float
    lamps_on: bool
    offset: float


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """Camera imperfections; 0 switches one off. gain: (3,) exposure times white balance; jpeg:
    quality, None without compression."""

    gain: F32
    gamma: float
    vignetting: float
    blur: float
    shot_noise: float
    read_noise: float
    jpeg: int | None


def random_light(rng: np.random.Generator) -> Light:
    elevation, azimuth = np.deg2rad(rng.uniform(12, 70)), rng.uniform(0, 2 * np.pi)
    level = np.cos(elevation)
    sun = np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])
    clear = float(rng.uniform(0.3, 1) if rng.random() < 0.65 else rng.uniform(0, 0.15))
    warm = np.array([1.0, 0.93, 0.82]) ** rng.uniform(0.2, 2.2)
    blue = np.array([0.45, 0.62, 0.95]) ** (0.2 + clear * rng.uniform(0.5, 1))
    haze = np.array([0.85, 0.88, 0.92]) * rng.uniform(0.75, 1.05)
    fog = rng.uniform(0.0003, 0.003) if rng.random() < 0.85 else rng.uniform(0.003, 0.015)
    skylight = 0.5 * blue + 0.3 * (1 - clear)
    colors = 2.2 * clear * warm, skylight, blue * rng.uniform(0.6, 1.0), haze
    sun_rgb, sky_rgb, top_rgb, haze_rgb = (c.astype(np.float32) for c in colors)
    clouds, lamps_on, offset = rng.uniform(0, 1), bool(rng.random() < 0.35), rng.uniform(0, 256)
    toward = sun.astype(np.float32)
    return Light(toward, sun_rgb, sky_rgb, top_rgb, haze_rgb, fog, clouds, lamps_on, offset)


def random_lens(rng: np.random.Generator) -> Lens:
    gain = 1.35 * np.exp(rng.normal(0, 0.28)) * np.exp(rng.normal(0, 0.06, 3))
    jpeg = int(rng.integers(35, 95)) if rng.random() < 0.6 else None
    gamma, vignetting, blur = rng.uniform(1.9, 2.5), rng.uniform(0, 0.4), rng.uniform(-0.6, 0.9)
    shot, read = rng.uniform(0, 0.02), rng.uniform(0, 0.02)
    return Lens(gain.astype(np.float32), gamma, vignetting, max(0.0, blur), shot, read, jpeg)


def rays(pixels: NDArray[np.int64], camera: Intrinsics, world_from_optical: F64) -> F32:
    """Maps flat pixel indices (P,) to unit directions (P, 3) in the world frame."""
    row, column = np.divmod(pixels, camera.width_px)
    x, y = (column - camera.cx_px) / camera.fx_px, (row - camera.cy_px) / camera.fy_px
    ahead = np.stack([x, y, np.ones_like(x)], 1) @ world_from_optical[:3, :3].T
    return np.asarray(ahead / np.sqrt(x * x + y * y + 1)[:, None], np.float32)


def sky(directions: F32, light: Light) -> F32:
    """Maps unit directions (P, 3) in the world frame to linear RGB (3, P)."""
    up = np.maximum(directions[:, 2], 0)
    share = np.sqrt(up)
    plane = directions[:, :2] / np.maximum(up, 0.02)[:, None] + light.offset
    puff = np.clip(noise(plane[:, 0], plane[:, 1], 12) * 0.5 + light.clouds - 0.2, 0, 1)
    puff = (puff * np.minimum(up * 6, 1) * 0.8).astype(np.float32)
    white = np.array([0.95, 0.95, 0.97], np.float32) * (0.7 + 0.3 * light.haze)
    color = light.haze[:, None] * (1 - share) + light.zenith[:, None] * share
    return np.asarray(color * (1 - puff) + puff * white[:, None], np.float32)


def illuminate(
    surface: tuple[F32, F32, F32],
    hits: Hits,
    sunny: F32,
    open_sky: F32,
    light: Light,
    viewpoint: tuple[Intrinsics, F64],
) -> F32:
    """Shades outdoor surfaces: Lambert's law under sun and sky, Schlick-like reflection of the
    sky, glow and fog. Returns (3, H, W) linear RGB.

    surface: colour, gloss and glow of the hit pixels; sunny, open_sky: (P,) fraction of sun and
    sky that reaches them; viewpoint: intrinsics and world_from_optical. Works channel by channel,
    because NumPy is several times slower on rows of three.
    """
    color, gloss, glow = surface
    normals = hits.normals_optical @ viewpoint[1][:3, :3].astype(np.float32).T
    direct = np.maximum(normals @ light.sun, 0) * sunny
    ambient = (0.55 + 0.45 * normals[:, 2]) * open_sky
    shiny = np.flatnonzero(gloss > 0)
    way, n = rays(hits.pixels[shiny], *viewpoint), normals[shiny]
    facing = np.einsum('ij,ij->i', way, n)
    upward = way[:, 2] - 2 * facing * n[:, 2] > 0
    share = gloss[shiny] * (0.3 + 0.7 * (1 - np.abs(facing)) ** 2)
    clear = np.exp(hits.depth_m.ravel()[hits.pixels].astype(np.float32) * -light.fog_per_m)
    clear = clear.astype(np.float32)
    image = np.empty((3, hits.solid.size), np.float32)
    for k in range(3):
        seen = direct * light.sunlight[k]
        seen += ambient * light.skylight[k]
        seen += glow
        seen *= color[:, k]
        mirrored = np.where(upward, (light.haze[k] + light.zenith[k]) / 2, np.float32(0.12))
        seen[shiny] += share * (mirrored - seen[shiny])
        seen -= light.haze[k]
        seen *= clear
        seen += light.haze[k]
        image[k, hits.pixels] = seen
    empty = np.flatnonzero(hits.solid.ravel() < 0)
    image[:, empty] = sky(rays(empty, *viewpoint), light)
    image *= np.float32(0.8)
    return image.reshape(3, *hits.solid.shape)


def ground_shading(
    hits: Hits,
    boxes: list[Solid],
    casters: list[Solid],
    light: Light,
    viewpoint: tuple[Intrinsics, F64],
) -> tuple[F32, F32]:
    """Returns the fractions (P,) of sun and of sky that reach each hit pixel.

    Only solid 0, the plane z = 0, is shaded: by the shadows of `casters`, and close to `boxes`.
    """
    ground, pixels = ground_coordinates(hits)
    sunny, open_sky = np.ones((2, len(hits.pixels)), np.float32)
    open_sky[: len(pixels)] = ambient_occlusion(ground, boxes, *viewpoint).ravel()[pixels]
    if light.sunlight.max() > 0.2:
        sunny[: len(pixels)] = shadow(ground, casters, light, *viewpoint).ravel()[pixels]
    return sunny, open_sky


def ground_coordinates(hits: Hits) -> tuple[F32, NDArray[np.int64]]:
    """Returns (2, H, W) world x, y where solid 0 is visible (far away elsewhere) and its flat
    pixel indices, which come first in `hits`."""
    pixels = hits.pixels[: np.count_nonzero(hits.solid == 0)]
    flat = np.full((2, hits.solid.size), 1e4, np.float32)
    flat[:, pixels] = hits.local_m[: len(pixels), :2].T
    return flat.reshape(2, *hits.solid.shape), pixels


def shadow(
    ground: F32, casters: list[Solid], light: Light, camera: Intrinsics, world_from_optical: F64
) -> F32:
    """Maps world x, y of the ground (2, H, W) to (H, W): 1 where the sun reaches it, else 0."""
    sunny = np.ones(ground.shape[1:], np.float32)
    sun = light.sun.astype(np.float64)
    for solid in casters:
        corners = (CORNER_SIGNS * solid.half_m) @ solid.world_from_local.T + solid.center_m
        # projected along the sun's rays onto the ground
        corners = corners - corners[:, 2:] / sun[2] * sun
        rows, columns = window(
            (corners - world_from_optical[:3, 3]) @ world_from_optical[:3, :3], camera
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        unit_from_world = (solid.world_from_local / solid.half_m).astype(np.float32)
        x, y = ground[:, rows, columns]
        start = -solid.center_m.astype(np.float32) @ unit_from_world
        way = light.sun @ unit_from_world
        axes = zip(unit_from_world[0], unit_from_world[1], start, strict=True)
        origin = [x * along_x + y * along_y + at for along_x, along_y, at in axes]
        dark = _unit_ball(origin, way) if solid.kind == ELLIPSOID else _unit_cube(origin, way)
        np.copyto(sunny[rows, columns], 0, where=dark)
    return sunny


def _unit_ball(origin: list[F32], way: F32) -> NDArray[np.bool_]:
    """Tells which rays (coordinates of their origins, common direction) hit the unit ball."""
    b = origin[0] * way[0] + origin[1] * way[1] + origin[2] * way[2]
    outside = origin[0] ** 2 + origin[1] ** 2 + origin[2] ** 2 - 1
    return np.asarray((b < 0) & (b * b > (way @ way) * outside))


def _unit_cube(origin: list[F32], way: F32) -> NDArray[np.bool_]:
    """Tells which rays hit the cube [-1, 1]^3, by the slab method (Kay and Kajiya, SIGGRAPH
    1986)."""
    inverse = 1 / np.where(np.abs(way) < 1e-6, np.float32(1e-6), way)
    enter, leave = np.zeros_like(origin[0]), np.full_like(origin[0], np.inf)
    for at, t in zip(origin, inverse, strict=True):
        middle = at * -t
        enter = np.maximum(enter, middle - np.abs(t))
        leave = np.minimum(leave, middle + np.abs(t))
    return np.asarray(leave > enter)


def ambient_occlusion(
    ground: F32, boxes: list[Solid], camera: Intrinsics, world_from_optical: F64
) -> F32:
    """Maps world x, y of the ground (2, H, W) to the fraction of the sky that road users leave
    visible from it (H, W)."""
    share = np.ones(ground.shape[1:], np.float32)
    for box in boxes:
        reach = (box.half_m + 1.5) * [1, 1, 0]
        corners = (CORNER_SIGNS * reach) @ box.world_from_local.T + box.center_m * [1, 1, 0]
        rows, columns = window(
            (corners - world_from_optical[:3, 3]) @ world_from_optical[:3, :3], camera
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        x, y = (ground[k, rows, columns] - np.float32(box.center_m[k]) for k in (0, 1))
        turn, half = box.world_from_local.astype(np.float32), box.half_m.astype(np.float32) - 0.15
        along = np.maximum(np.abs(x * turn[0, 0] + y * turn[1, 0]) - half[0], 0)
        across = np.maximum(np.abs(x * turn[0, 1] + y * turn[1, 1]) - half[1], 0)
        soft = np.float32(-1 / (0.1 + 0.12 * box.half_m[2]))
        share[rows, columns] *= 1 - 0.75 * np.exp(np.hypot(along, across) * soft)
    return share


def expose(linear: F32, lens: Lens, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turns linear light (3, H, W) into the 8-bit image (H, W, 3) of a 14-bit sensor."""
    height, width = linear.shape[1:]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    image = linear * (1 - np.float32(lens.vignetting / 2) * (x * x + y * y))
    image *= lens.gain[:, None, None]
    if lens.blur > 0:
        side = np.float32(lens.blur / (2 + 2 * lens.blur))
        image = blurred(image, side)
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    grain *= np.float32(lens.shot_noise) * np.sqrt(np.maximum(image, 0)) + np.float32(
        lens.read_noise * 0.3
    )
    image += grain
    readings = (np.clip(image, 0, 1, out=image) * np.float32(LEVELS - 1)).astype(np.uint16)
    curve = np.linspace(0, 1, LEVELS) ** (1 / lens.gamma)
    planes = (curve * 255 + 0.5).astype(np.uint8)[readings]
    rgb = np.ascontiguousarray(planes.transpose(1, 2, 0))
    if lens.jpeg is None:
        return rgb
    _, data = cv2.imencode('.jpg', rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, lens.jpeg])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[:, :, ::-1])


def blurred(image: F32, side: np.float32) -> F32:
    """Mixes each pixel of (3, H, W) with its four neighbours by weight `side`; edges repeat."""
    rows = np.pad(image, [(0, 0), (1, 1), (0, 0)], mode='edge')
    image = image * (1 - 2 * side) + side * (rows[:, :-2] + rows[:, 2:])
    columns = np.pad(image, [(0, 0), (0, 0), (1, 1)], mode='edge')
    return np.asarray(image * (1 - 2 * side) + side * (columns[:, :, :-2] + columns[:, :, 2:]))
