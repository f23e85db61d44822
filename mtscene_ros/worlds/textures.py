"""Colour, gloss and glow of surfaces. Colours are linear RGB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.worlds import parts
from mtscene_ros.worlds import road as zones
from mtscene_ros.worlds.noise import CELLS, F32, cell, noise
from mtscene_ros.worlds.raycast import Hits
from mtscene_ros.worlds.solid import F64, Solid


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """P points of one material.

    color (P, 3), seed (P,): from the solid's Look; a, b (P,): metres along the face; z (P,):
    metres above the solid's bottom; p, half, inset (P, 3): local point, half extents and inset of
    the solid; axis (P,): largest component of the normal.
    """

    color: F32
    seed: F32
    a: F32
    b: F32
    z: F32
    p: F32
    half: F32
    inset: F32
    axis: NDArray[Any]


Shade = tuple[NDArray[Any], NDArray[Any] | float, NDArray[Any] | float]  # colour, gloss, glow


def paint_all(hits: Hits, solids: list[Solid], lamps_on: bool) -> tuple[F32, F32, F32]:
    """Returns colour (P, 3), gloss (P,) and glow (P,) of the hit pixels; the ground's are not
    valid and come from `ground`."""
    solid_index = hits.solid.ravel()[hits.pixels]
    material = np.array([s.look.material for s in solids], np.int8)[solid_index]
    colors = np.array([s.look.color for s in solids], np.float32)
    seeds = np.array([s.look.seed for s in solids], np.float32)
    halves = np.array([s.half_m for s in solids], np.float32)
    insets = np.array([s.inset_m for s in solids], np.float32)
    color = np.empty((len(solid_index), 3), np.float32)
    gloss, glow = np.zeros(len(solid_index), np.float32), np.zeros(len(solid_index), np.float32)
    for kind, shade in _SHADE.items():
        at = np.flatnonzero(material == kind)
        if not len(at):
            continue
        solid, p = solid_index[at], hits.local_m.take(at, 0)
        axis = largest(hits.normals_local.take(at, 0))
        a = np.where(axis == 0, p[:, 1], p[:, 0])
        b = np.where(axis == 2, p[:, 1], p[:, 2])
        half, inset = halves.take(solid, 0), insets.take(solid, 0)
        z = p[:, 2] + half[:, 2]
        patch = Patch(colors.take(solid, 0), seeds[solid], a, b, z, p, half, inset, axis)
        color[at], gloss[at], glow[at] = shade(patch)
    if not lamps_on:
        glow[material == parts.LAMP] *= 0.15
    return color, gloss, glow


def largest(vectors: F32) -> NDArray[np.int8]:
    """Returns the axis (P,) of the largest component of (P, 3), several times faster than
    argmax."""
    x, y, z = np.abs(vectors).T
    return np.where(z > np.maximum(x, y), 2, y > x).astype(np.int8)


def ground(zone: NDArray[np.int64], s: F64, d: F64, offset: float, grass: float) -> F32:
    """Returns the colour (P, 3) of the ground in zone Road.zones at (s, d); offset selects the
    tones of this world."""
    s, d = s + offset, d + offset
    tar = 0.07 + 0.12 * CELLS[int(offset), 3]
    paint = 0.6 + 0.5 * CELLS[5, int(offset)]
    slabs = 0.55 + CELLS[int(offset), 9] * np.array([1, 0.95, 0.9])
    soil = np.array([0.13, 0.17, 0.05]) * grass + np.array([0.26, 0.2, 0.13]) * (1 - grass)
    base = np.empty((6, 3), np.float32)
    base[zones.ASPHALT] = tar * np.array([1, 1, 1.03])
    base[zones.MARK] = paint * np.array([0.7, 0.7, 0.66])
    base[zones.PAVEMENT] = slabs * np.array([0.3, 0.29, 0.28])
    base[zones.KERB] = 0.42, 0.42, 0.4
    base[zones.TERRAIN] = soil
    base[zones.TRACK] = 0.2, 0.17, 0.15
    strength = np.array([0.1, 0.16, 0.08, 0.08, 0.25, 0.3], np.float32)[zone]
    grain = 1 + strength * (0.8 * noise(s, d, 2.0) + noise(d, s, 22.0))
    joint = (zone == zones.PAVEMENT) & ((np.mod(s, 0.8) < 0.04) | (np.mod(d, 0.8) < 0.04))
    sleeper = (zone == zones.TRACK) & (np.mod(s, 0.65) < 0.22)
    tone = np.clip(grain, 0.3, 2) * np.where(joint, 0.7, 1) * np.where(sleeper, 1.7, 1)
    return np.asarray(base[zone] * tone.astype(np.float32)[:, None])


def _plain(at: Patch) -> Shade:
    dirt = 1 - 0.25 * np.exp(-at.z / 0.15) + 0.03 * noise(at.a, at.b, 20)
    return at.color * dirt[:, None], 0.12, 0.0


def _cloth(at: Patch) -> Shade:
    return at.color * (1 + 0.1 * noise(at.a, at.b, 60))[:, None], 0.0, 0.0


def _facade(at: Patch) -> Shade:
    storey, bay = 2.7 + 1.2 * at.seed, 1.4 + np.mod(at.seed * 17, 1) * 2.6
    i, j = np.floor(at.a / bay), np.floor(at.z / storey)
    x, y = at.a / bay - i, at.z / storey - j
    wide, low = 0.12 + 0.18 * np.mod(at.seed * 7, 1), 0.12 + 0.25 * np.mod(at.seed * 31, 1)
    low = np.where(j == 0, 0.05, low)  # doors and shop windows
    wall = at.axis != 2
    inside = (x > wide) & (x < 1 - wide) & (y > low) & (y < 0.85)
    inside &= wall & (at.z < 2 * at.half[:, 2] - 0.4)
    rim = (np.abs(x - 0.5) < 0.03) | (y < low + 0.04) | (x < wide + 0.03) | (x > 0.97 - wide)
    brick = 1 + 0.08 * noise(at.a, at.b, 6) + 0.05 * noise(at.b, at.a, 30)
    band = (np.mod(at.seed * 13, 1) > 0.5) & (y < 0.06) & wall
    color = at.color * (brick * np.where(band, 1.3, 1))[:, None]
    chance = cell(i + 100 * at.seed, j + 37)[:, None]
    pane = 0.03 + 0.12 * chance * np.array([0.9, 1.0, 1.1], np.float32)
    pane = np.where(chance > 0.85, color * 0.5 + 0.25, pane)  # blinds
    color = np.where(inside[:, None], pane, color)
    return np.where((inside & rim)[:, None], 0.5, color), np.where(inside, 0.35, 0.0), 0.0


def _foliage(at: Patch) -> Shade:
    x, y, z = at.p.T
    leaves = noise(x + at.seed, z + y * 0.7, 14) + 0.8 * noise(y - at.seed, z, 40)
    deep = 0.75 + 0.35 * z / at.half[:, 2]
    return at.color * (np.clip(1 + 0.4 * leaves, 0.2, 2.5) * deep)[:, None], 0.0, 0.0


def _cabin(at: Patch) -> Shade:
    """Window panes between painted pillars; the rear pane starts higher."""
    x, rise = at.p[:, 0], at.z / (2 * at.half[:, 2])
    front, rear = at.half[:, 0] - at.inset[:, 0] * rise, at.half[:, 0] - at.inset[:, 1] * rise
    doors = (x < front - 0.14) & (x > 0.2 - rear) & (np.abs(x + 0.08 * at.half[:, 0]) > 0.05)
    ends = np.abs(at.p[:, 1]) < at.half[:, 1] - at.inset[:, 2] * rise - 0.1
    sill = np.where((x < 0) & (at.axis != 1), 0.22, 0.06)
    pane = np.where(at.axis == 1, doors, ends) & (rise < 0.93) & (rise > sill)
    color = np.where(pane[:, None], np.array([0.03, 0.035, 0.04], np.float32), at.color)
    return color, np.where(pane, 0.3, 0.12), 0.0


def _coach(at: Patch) -> Shade:
    """A band of windows; the seed is the window spacing in metres."""
    post = np.mod(at.p[:, 0] + at.half[:, 0], at.seed) < 0.1
    return np.where(post[:, None], 0.12, at.color), np.where(post, 0.1, 0.32), 0.0


def _lamp(at: Patch) -> Shade:
    return at.color, 0.3, 1.0


def _bars(at: Patch) -> Shade:
    pitch = 0.1 + 0.25 * at.seed
    bar = (np.mod(at.a, pitch) < 0.45 * pitch) | (np.mod(at.a, 2.5) < 0.12)
    bar |= (at.z > 2 * at.half[:, 2] - 0.1) | (at.z < 0.15)
    return np.where(bar[:, None], at.color, at.color * 0.25 + 0.02), 0.0, 0.0


def _sign(at: Patch) -> Shade:
    disc = at.half[:, 2] < 0.1  # a sign's cylinder has a short axis, its plate does not
    x, y, z = (at.p / at.half).T
    r = np.where(disc, np.hypot(x, y), np.maximum(np.abs(y), np.abs(z)))
    back = np.where(disc, at.p[:, 2], at.p[:, 0]) > 0
    drawing = cell(np.floor(np.where(disc, x, z) * 3 + 60 * at.seed), np.floor(y * 3 + 50)) > 0.6
    drawing &= r < 0.6
    light_middle = at.seed > 0.5
    paper = np.where(at.color.mean(1, keepdims=True) > 0.6, 0.05, 0.8)
    ink = np.where(light_middle[:, None], at.color * 0.2, paper)
    blank = np.where(light_middle, r < 0.72, (r > 0.86) & (r < 0.95))
    color = np.where(blank[:, None], paper, at.color)
    color = np.where(drawing[:, None], ink, color)
    return np.where(back[:, None], 0.3, color), 0.05, 0.0


def _wheel(at: Patch) -> Shade:
    r = np.hypot(at.p[:, 0], at.p[:, 1]) / at.half[:, 0]
    turn = np.arctan2(at.p[:, 1], at.p[:, 0]) / (2 * np.pi)
    rim = (r < 0.62) & (np.abs(at.p[:, 2]) > at.half[:, 2] * 0.98)
    spoke = 0.5 - 0.3 * (np.mod(turn * 5, 1) < 0.45) * (r > 0.2)
    return np.where(rim[:, None], spoke[:, None], at.color), np.where(rim, 0.15, 0.0), 0.0


def _brick(at: Patch) -> Shade:
    row = np.floor(at.z / 0.2)
    shift = np.mod(row, 2) / 2
    joint = (np.mod(at.z, 0.2) < 0.03) | (np.mod(at.a + 0.4 * shift, 0.4) < 0.03)
    tone = np.where(joint, 0.75, 0.85 + 0.3 * cell(np.floor(at.a / 0.4 + shift), row))
    return at.color * (tone + 0.06 * noise(at.a, at.b, 10))[:, None], 0.0, 0.0


def _signal(at: Patch) -> Shade:
    """Red, amber, green from top to bottom, on both faces; the seed is the index of the lit
    one."""
    third = 2 * at.half[:, 2] / 3
    slot = np.clip(np.floor(at.z / third), 0, 2)
    lens = (np.hypot(at.p[:, 1], np.mod(at.z, third) - third / 2) < 0.115) & (at.axis == 0)
    lit = lens & (slot == 2 - at.seed)
    palette = np.array([[0.05, 0.8, 0.4], [0.95, 0.6, 0.05], [0.9, 0.06, 0.04]], np.float32)
    hue = palette[slot.astype(int)]
    color = np.where(lens[:, None], hue * np.where(lit, 1, 0.12)[:, None], at.color)
    return color, 0.05, np.where(lit, 1.2, 0.0)


def _wood(at: Patch) -> Shade:
    """Grain along the face; the seed is the plank width in metres, 0 for a single piece."""
    plank = np.floor(at.b / np.where(at.seed > 0, at.seed, 100.0))
    tone = 0.85 + 0.3 * cell(plank, plank + 7) * (at.seed > 0)
    grain = 1 + 0.1 * noise(at.a * 0.2 + 5 * plank, at.b, 25) + 0.05 * noise(at.a, at.b, 9)
    gap = (at.seed > 0) & (at.b / np.maximum(at.seed, 1e-3) - plank < 0.03)
    return at.color * (grain * tone * np.where(gap, 0.5, 1))[:, None], 0.06, 0.0


def _tiles(at: Patch) -> Shade:
    """Tiles; the seed is the side length in metres."""
    i, j = np.floor(at.a / at.seed), np.floor(at.b / at.seed)
    x, y = at.a / at.seed - i, at.b / at.seed - j
    joint = (x < 0.03) | (y < 0.03)
    tone = 0.93 + 0.14 * cell(i, j)
    return at.color * np.where(joint, 0.6, tone)[:, None], np.where(joint, 0.0, 0.15), 0.0


def _spines(at: Patch) -> Shade:
    """Book spines side by side; the seed selects the books."""
    number = np.floor(at.a / 0.035 + 40 * at.seed)
    dyes = [cell(number, number * 0 + k + 50 * at.seed) for k in (0, 31, 77)]
    gap = at.a / 0.035 + 40 * at.seed - number < 0.1
    title = (np.abs(at.p[:, 2]) < 0.3 * at.half[:, 2]) & (cell(number, number) > 0.5)
    color = np.stack(dyes, 1) * 0.45 + 0.03 + 0.25 * title[:, None]
    return np.where(gap[:, None], 0.02, color), 0.03, 0.0


def _picture(at: Patch) -> Shade:
    """Shapes inside a frame in the look's colour."""
    rim = np.minimum(at.half[:, 1] - np.abs(at.p[:, 1]), at.half[:, 2] - np.abs(at.p[:, 2]))
    at_x, at_y = np.floor(at.b * 6 + 40 * at.seed), np.floor(at.p[:, 1] * 6 + 90 * at.seed)
    dyes = [cell(at_x, at_y + k) * 0.6 for k in (0, 60, 120)]
    soft = 0.3 + 0.15 * noise(at.p[:, 1] + at.seed, at.b, 5)[:, None]
    color = np.where(np.stack(dyes, 1) > 0.35, np.stack(dyes, 1), soft)
    return np.where((rim < 0.035)[:, None], at.color, color), 0.08, 0.0


def _glass(at: Patch) -> Shade:
    """A barred window to a bright exterior; the seed is the pane width in metres."""
    x, y = np.mod(at.p[:, 1] + at.half[:, 1], at.seed), at.half[:, 2] - np.abs(at.p[:, 2])
    bar = (x < 0.06) | (y < 0.06) | (at.half[:, 1] - np.abs(at.p[:, 1]) < 0.06)
    view = 0.7 + 0.25 * noise(at.p[:, 1], at.p[:, 2], 1.5) + 0.3 * at.p[:, 2] / at.half[:, 2]
    color = np.where(bar[:, None], 0.75, at.color * np.clip(view, 0.1, 1.5)[:, None])
    return color, np.where(bar, 0.05, 0.2), np.where(bar, 0.0, 0.9)


_SHADE: dict[int, Callable[[Patch], Shade]] = {
    parts.PLAIN: _plain,
    parts.CLOTH: _cloth,
    parts.FACADE: _facade,
    parts.FOLIAGE: _foliage,
    parts.CABIN: _cabin,
    parts.COACH: _coach,
    parts.LAMP: _lamp,
    parts.BARS: _bars,
    parts.SIGN: _sign,
    parts.WHEEL: _wheel,
    parts.BRICK: _brick,
    parts.SIGNAL: _signal,
    parts.WOOD: _wood,
    parts.TILES: _tiles,
    parts.SPINES: _spines,
    parts.PICTURE: _picture,
    parts.GLASS: _glass,
}
