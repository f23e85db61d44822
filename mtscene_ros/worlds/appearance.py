"""Textures, light and the camera's own marks on the image. Colours are linear until the camera's gamma."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.worlds import road as zones
from mtscene_ros.worlds import vehicles as v
from mtscene_ros.worlds.raycast import ELLIPSOID, F32, Hits, Solid

F64 = NDArray[np.float64]


def _tile() -> F32:
    """(256, 256) periodic noise, mean 0, deviation 1: white noise of six octaves."""
    rng = np.random.Generator(np.random.PCG64(7))
    total = np.zeros((256, 256))
    at = np.arange(256)
    for octave in range(2, 8):
        cells = 2**octave
        x = at * cells / 256
        low, share = x.astype(int), x - np.floor(x)
        values = rng.normal(size=(cells, cells))
        for axis in (0, 1):
            shape = (-1, 1) if axis == 0 else (1, -1)
            first, second = values.take(low % cells, axis), values.take((low + 1) % cells, axis)
            values = first + (second - first) * share.reshape(shape)
        total += values * 0.75**octave
    return ((total - total.mean()) / total.std()).astype(np.float32)


TILE = _tile()
CELLS = np.random.Generator(np.random.PCG64(8)).random((256, 256)).astype(np.float32)


def noise(u: F32, w: F32, per_m: float) -> F32:
    return TILE[(u * per_m).astype(np.int32) & 255, (w * per_m).astype(np.int32) & 255]


def cell(i: F32, j: F32) -> F32:
    """A number in [0, 1) for each pair of integers."""
    return CELLS[i.astype(np.int32) & 255, j.astype(np.int32) & 255]


@dataclass(frozen=True, slots=True)
class Light:
    """sun: unit vector towards it (world); sunlight, skylight, haze, zenith: linear RGB; fog_per_m: extinction."""

    sun: F64
    sunlight: F64
    skylight: F64
    zenith: F64
    haze: F64
    fog_per_m: float
    clouds: float
    lamps_on: bool
    offset: float


@dataclass(frozen=True, slots=True)
class Lens:
    """What the camera adds: exposure and white balance (3,), gamma, vignetting, blur, noise, JPEG quality."""

    gain: F64
    gamma: float
    vignetting: float
    blur: float
    shot: float
    read: float
    jpeg: int | None


def random_light(rng: np.random.Generator) -> Light:
    elevation, azimuth = np.deg2rad(rng.uniform(12, 70)), rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    clear = float(rng.uniform(0.3, 1) if rng.random() < 0.65 else rng.uniform(0, 0.15))
    warm = np.array([1.0, 0.93, 0.82]) ** rng.uniform(0.2, 2.2)
    blue = np.array([0.45, 0.62, 0.95]) ** (0.2 + clear * rng.uniform(0.5, 1))
    haze = np.array([0.85, 0.88, 0.92]) * rng.uniform(0.75, 1.05)
    fog = rng.uniform(0.0003, 0.003) if rng.random() < 0.85 else rng.uniform(0.003, 0.015)
    return Light(sun, 2.2 * clear * warm, 0.5 * blue + 0.3 * (1 - clear), blue * rng.uniform(0.6, 1.0), haze, fog,
                 float(rng.uniform(0, 1)), bool(rng.random() < 0.35), float(rng.uniform(0, 256)))


def random_lens(rng: np.random.Generator) -> Lens:
    gain = 1.35 * np.exp(rng.normal(0, 0.28)) * np.exp(rng.normal(0, 0.06, 3))
    jpeg = int(rng.integers(35, 95)) if rng.random() < 0.6 else None
    return Lens(gain, float(rng.uniform(1.9, 2.5)), float(rng.uniform(0, 0.4)), float(max(0, rng.uniform(-0.6, 0.9))),
                float(rng.uniform(0, 0.02)), float(rng.uniform(0, 0.02)), jpeg)


def sky(directions: F64, light: Light) -> F64:
    """(P, 3) unit directions, world → (P, 3) linear RGB."""
    up = np.maximum(directions[:, 2], 0)
    share = (up ** 0.5)[:, None]
    color = light.haze * (1 - share) + light.zenith * share
    plane = directions[:, :2] / np.maximum(up, 0.02)[:, None]
    puff = noise(plane[:, 0] + light.offset, plane[:, 1] + light.offset, 12) * 0.5 + light.clouds - 0.2
    puff = np.clip(puff, 0, 1)[:, None] * np.minimum(up * 6, 1)[:, None] * 0.8
    return np.asarray(color * (1 - puff) + puff * np.array([0.95, 0.95, 0.97]) * (0.7 + 0.3 * light.haze))


def albedo(hits: Hits, solids: list[Solid], zone: NDArray[np.int64], ground_sd: tuple[F64, F64], light: Light,
           grass: float) -> tuple[F32, F32, F32]:
    """Colour (P, 3), gloss (P,) and glow (P,) of every hit pixel; zone, ground_sd: for those on the ground."""
    of = hits.solid.ravel()[hits.pixels]
    color = np.array([s.look.color for s in solids], np.float32)[of]
    material = np.array([s.look.material for s in solids])[of]
    seed = np.array([s.look.seed for s in solids], np.float32)[of]
    half = np.array([s.half_m for s in solids], np.float32)[of]
    inset = np.array([s.inset_m for s in solids], np.float32)[of]
    p, n = hits.local_m, np.abs(hits.normals_local)
    axis = n.argmax(1)
    a = np.where(axis == 0, p[:, 1], p[:, 0])
    b = np.where(axis == 2, p[:, 1], p[:, 2])
    z = p[:, 2] + half[:, 2]
    gloss, glow = np.zeros(len(of), np.float32), np.zeros(len(of), np.float32)
    groups = {m: np.flatnonzero(material == m) for m in np.unique(material)}
    for m, at in groups.items():
        if m == v.GROUND:
            color[at] = _ground(zone, *ground_sd, light, grass)
            continue
        args = (color[at], a[at], b[at], z[at], p[at], half[at], axis[at], seed[at], inset[at])
        color[at], gloss[at], glow[at] = _MATERIALS[int(m)](*args)
        if m in (v.LAMP, v.LIGHTS):
            glow[at] *= 1.0 if light.lamps_on or m == v.LIGHTS else 0.15
    return color, gloss, glow


def _ground(zone: NDArray[np.int64], s: F64, d: F64, light: Light, grass: float) -> F32:
    s, d = s + light.offset, d + light.offset
    tar = 0.07 + 0.12 * CELLS[int(light.offset), 3]
    base = np.array([[tar, tar, tar * 1.03], [0.7, 0.7, 0.66], [0.3, 0.29, 0.28], [0.42, 0.42, 0.4], [0, 0, 0],
                     [0.2, 0.17, 0.15]], np.float32)
    base[zones.MARK] *= 0.6 + 0.5 * CELLS[5, int(light.offset)]
    base[zones.PAVEMENT] *= 0.55 + CELLS[int(light.offset), 9] * np.array([1, 0.95, 0.9])
    base[zones.TERRAIN] = np.array([0.13, 0.17, 0.05]) * grass + np.array([0.26, 0.2, 0.13]) * (1 - grass)
    color = base[zone]
    coarse, fine = noise(s, d, 2.0), noise(d, s, 22.0)
    strength = np.array([0.1, 0.16, 0.08, 0.08, 0.25, 0.3], np.float32)[zone]
    color *= np.clip(1 + strength * (0.8 * coarse + fine), 0.3, 2)[:, None]
    slab = (zone == zones.PAVEMENT) & ((np.mod(s, 0.8) < 0.04) | (np.mod(d, 0.8) < 0.04))
    color[slab] *= 0.7
    rail = (zone == zones.TRACK) & (np.mod(s, 0.65) < 0.22)
    color[rail] *= 1.7
    return color.astype(np.float32)


Shade = tuple[F32, F32 | float, F32 | float]


def _plain(color: F32, a: F32, b: F32, z: F32, *_: F32) -> Shade:
    dirt = 1 - 0.25 * np.exp(-z / 0.15) + 0.03 * noise(a, b, 20)
    return color * dirt[:, None], 0.12, 0.0


def _cloth(color: F32, a: F32, b: F32, *_: F32) -> Shade:
    return color * (1 + 0.1 * noise(a, b, 60))[:, None], 0.0, 0.0


def _facade(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    storey, bay = 2.7 + 1.2 * seed, 1.4 + np.mod(seed * 17, 1) * 2.6
    i, j = np.floor(a / bay), np.floor(z / storey)
    x, y = a / bay - i, z / storey - j
    wide, low = 0.12 + 0.18 * np.mod(seed * 7, 1), 0.12 + 0.25 * np.mod(seed * 31, 1)
    ground_floor = j == 0
    low = np.where(ground_floor, 0.05, low)
    inside = (x > wide) & (x < 1 - wide) & (y > low) & (y < 0.85) & (axis != 2) & (z < 2 * half[:, 2] - 0.4)
    frame = inside & ((np.abs(x - 0.5) < 0.03) | (y < low + 0.04) | (x < wide + 0.03) | (x > 0.97 - wide))
    chance = cell(i + 100 * seed, j + 37)
    brick = 1 + 0.08 * noise(a, b, 6) + 0.05 * noise(b, a, 30)
    color = color * brick[:, None]
    band = (np.mod(seed * 13, 1) > 0.5) & (y < 0.06) & (axis != 2)
    color = np.where(band[:, None], color * 1.3, color)
    pane = 0.03 + 0.12 * chance[:, None] * np.array([0.9, 1.0, 1.1], np.float32)
    pane = np.where((chance > 0.85)[:, None], color * 0.5 + 0.25, pane)
    color = np.where(inside[:, None], pane, color)
    return np.where(frame[:, None], 0.5, color), np.where(inside, 0.35, 0.0), 0.0


def _foliage(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    leaves = noise(p[:, 0] + seed, p[:, 2] + p[:, 1] * 0.7, 14) + 0.8 * noise(p[:, 1] - seed, p[:, 2], 40)
    deep = 0.75 + 0.35 * p[:, 2] / half[:, 2]
    return color * (np.clip(1 + 0.4 * leaves, 0.2, 2.5) * deep)[:, None], 0.0, 0.0


def _glass(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, inset: F32) -> Shade:
    """A cabin: panes between painted pillars."""
    rise = z / (2 * half[:, 2])
    front, rear = half[:, 0] - inset[:, 0] * rise, half[:, 0] - inset[:, 1] * rise
    door = (p[:, 0] < front - 0.14) & (p[:, 0] > 0.2 - rear) & (np.abs(p[:, 0] + 0.08 * half[:, 0]) > 0.05)
    ends = np.abs(p[:, 1]) < half[:, 1] - inset[:, 2] * rise - 0.1
    pane = np.where(axis == 1, door, ends) & (rise < 0.93) & (rise > np.where((p[:, 0] < 0) & (axis != 1), 0.22, 0.06))
    return np.where(pane[:, None], np.float32([0.03, 0.035, 0.04]), color), np.where(pane, 0.3, 0.12), 0.0


def _coach(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    post = np.mod(p[:, 0] + half[:, 0], seed) < 0.1
    return np.where(post[:, None], 0.12, color), np.where(post, 0.1, 0.32), 0.0


def _lamp(color: F32, *_: F32) -> Shade:
    return color, 0.3, np.ones(len(color), np.float32)


def _bars(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    pitch = 0.1 + 0.25 * seed
    bar = (np.mod(a, pitch) < 0.45 * pitch) | (z > 2 * half[:, 2] - 0.1) | (z < 0.15) | (np.mod(a, 2.5) < 0.12)
    return np.where(bar[:, None], color, color * 0.25 + 0.02), 0.0, 0.0


def _sign(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    x, y = p / half, None
    disc = half[:, 2] < 0.1  # the cylinder's axis is short, the plate's is not
    r = np.where(disc, np.hypot(x[:, 0], x[:, 1]), np.maximum(np.abs(x[:, 1]), np.abs(x[:, 2])))
    del y
    back = np.where(disc, p[:, 2], p[:, 0]) > 0
    glyph = cell(np.floor(np.where(disc, x[:, 0], x[:, 2]) * 3 + 60 * seed), np.floor(x[:, 1] * 3 + 50)) > 0.6
    white = np.where(color.mean(1, keepdims=True) > 0.6, 0.05, 0.8)
    rim = np.where(seed > 0.5, r < 0.72, (r > 0.86) & (r < 0.95))
    inner = np.where((glyph & (r < 0.6))[:, None], color * (seed > 0.5)[:, None] * 0.2 + white * (seed <= 0.5)[:, None], color)
    color = np.where((rim & ~(glyph & (r < 0.6)))[:, None], white, inner)
    return np.where(back[:, None], 0.3, color), 0.05, 0.0


def _wheel(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    r, angle = np.hypot(p[:, 0], p[:, 1]) / half[:, 0], np.arctan2(p[:, 1], p[:, 0])
    rim = (r < 0.62) & (np.abs(p[:, 2]) > half[:, 2] * 0.98)
    spoke = 0.5 - 0.3 * (np.mod(angle * 5 / (2 * np.pi), 1) < 0.45) * (r > 0.2)
    return np.where(rim[:, None], spoke[:, None], color), np.where(rim, 0.15, 0.0), 0.0


def _brick(color: F32, a: F32, b: F32, z: F32, *_: F32) -> Shade:
    row = np.floor(z / 0.2)
    joint = (np.mod(z, 0.2) < 0.03) | (np.mod(a + 0.2 * np.mod(row, 2), 0.4) < 0.03)
    tone = 0.85 + 0.3 * cell(np.floor(a / 0.4 + 0.5 * np.mod(row, 2)), row)
    return color * (np.where(joint, 0.75, tone) + 0.06 * noise(a, b, 10))[:, None], 0.0, 0.0


def _lights(color: F32, a: F32, b: F32, z: F32, p: F32, half: F32, axis: F32, seed: F32, *_: F32) -> Shade:
    """A signal's head: red, amber, green from the top; the one numbered by the seed is lit, on both faces."""
    third = 2 * half[:, 2] / 3
    slot = np.clip(np.floor(z / third), 0, 2)
    r = np.hypot(p[:, 1], np.mod(z, third) - third / 2)
    lens = (r < 0.115) & (axis == 0)
    lit = lens & (slot == 2 - seed)
    palette = np.array([[0.05, 0.8, 0.4], [0.95, 0.6, 0.05], [0.9, 0.06, 0.04]], np.float32)[slot.astype(int)]
    color = np.where(lens[:, None], palette * 0.12, color)
    return np.where(lit[:, None], palette, color), 0.05, np.where(lit, 1.2, 0.0).astype(np.float32)


_MATERIALS = {
    v.PLAIN: _plain, v.CLOTH: _cloth, v.FACADE: _facade, v.FOLIAGE: _foliage, v.GLASS: _glass, v.COACH: _coach,
    v.LAMP: _lamp, v.BARS: _bars, v.SIGN: _sign, v.WHEEL: _wheel, v.BRICK: _brick, v.LIGHTS: _lights,
}


def shadow(points: F64, casters: list[Solid], light: Light) -> F32:
    """(P, 3) world points on the ground → share of sunlight that reaches them, 0 or 1."""
    sunny = np.ones(len(points), np.float32)
    for solid in casters:
        reach = solid.half_m[:2].max() * 1.42
        top = solid.center_m[2] + solid.half_m[2]
        along = light.sun[:2] / max(light.sun[2], 1e-3)
        offset = points[:, :2] - (solid.center_m[:2] - along * top / 2).astype(np.float32)
        square = offset[:, 0] * offset[:, 0] + offset[:, 1] * offset[:, 1]
        near = np.flatnonzero(square < (reach + np.hypot(*along) * top / 2) ** 2)
        if not len(near):
            continue
        world_to_unit = (solid.world_from_local / solid.half_m).astype(np.float32)
        origin = (points[near] - solid.center_m.astype(np.float32)) @ world_to_unit
        way = light.sun.astype(np.float32) @ world_to_unit
        if solid.kind == ELLIPSOID:
            b = origin @ way
            dark = (b < 0) & (b * b > (way @ way) * (np.einsum('ij,ij->i', origin, origin) - 1))
        else:
            inverse = 1 / np.where(np.abs(way) < 1e-6, np.float32(1e-6), way)
            middle, reach_t = -origin * inverse, np.abs(inverse)  # a slab's middle and half thickness along the ray
            enter, leave = middle - reach_t, middle + reach_t
            first = np.maximum(np.maximum(enter[:, 0], enter[:, 1]), enter[:, 2])
            last = np.minimum(np.minimum(leave[:, 0], leave[:, 1]), leave[:, 2])
            dark = (last > first) & (last > 0)
        sunny[near[dark]] = 0
    return sunny


def contact(points: F64, boxes: list[Solid]) -> F32:
    """(P, 3) world points on the ground → share of skylight left beside and below road users."""
    open_ = np.ones(len(points), np.float32)
    for box in boxes:
        offset = points[:, :2] - box.center_m[:2].astype(np.float32)
        square = offset[:, 0] * offset[:, 0] + offset[:, 1] * offset[:, 1]
        near = np.flatnonzero(square < (np.hypot(*box.half_m[:2]) + 1.5) ** 2)
        local = np.abs(offset[near] @ box.world_from_local[:2, :2]) - box.half_m[:2]
        away = np.hypot(*np.maximum(local + 0.15, 0).T)
        open_[near] *= 1 - 0.75 * np.exp(-away / (0.1 + 0.12 * box.half_m[2]))
    return open_


def expose(linear: F32, lens: Lens, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) linear light → what the camera delivers."""
    height, width = linear.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    image = linear * (1 - lens.vignetting * 0.5 * (x * x + y * y))[:, :, None] * lens.gain.astype(np.float32)
    if lens.blur > 0:
        side = np.float32(lens.blur / (2 + 2 * lens.blur))
        for axis in (0, 1):
            padded = np.pad(image, [(1, 1) if k == axis else (0, 0) for k in range(3)], mode='edge')
            cut = [padded.take(range(k, k + image.shape[axis]), axis) for k in (0, 2)]
            image = image * (1 - 2 * side) + side * (cut[0] + cut[1])
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    image = np.maximum(image + grain * (lens.shot * np.sqrt(np.maximum(image, 0)) + lens.read * 0.3), 0)
    image = np.minimum(image, 1) ** np.float32(1 / lens.gamma)
    rgb = (image * 255 + 0.5).astype(np.uint8)
    if lens.jpeg is None:
        return rgb
    _, data = cv2.imencode('.jpg', rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, lens.jpeg])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(decoded[:, :, ::-1])
