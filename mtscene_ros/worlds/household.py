"""Class ids, looks, chests of drawers and small objects of rooms.

Labels are ids of NYUD_40, box classes are indices of ROOM_BOXES. A group holds the objects that
are placed together: (class of the 3D box or None, solids) for each.
"""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds.parts import (
    CLOTH,
    FOLIAGE,
    LAMP,
    PLAIN,
    WHITE,
    WOOD,
    Look,
    ball,
    box,
    hue,
    paint,
    rgb,
    rod,
    shifted,
    slab,
)
from mtscene_ros.worlds.solid import Solid

WALL, FLOOR, CABINET, BED, CHAIR, SOFA, TABLE, DOOR, WINDOW, BOOKSHELF = range(10)
PICTURES, COUNTER, BLINDS, DESK, SHELVES, CURTAIN, DRESSER, PILLOW, MIRROR, MAT = range(10, 20)
CLOTHES, CEILING, BOOKS, FRIDGE, TELEVISION, PAPER, TOWEL, SHOWER, CARTON, BOARD = range(20, 30)
PERSON, NIGHT_STAND, TOILET, SINK, LIGHT, BATHTUB, BAG, STRUCTURE, OTHER, PROP = range(30, 40)
# Indices into ROOM_BOXES.
BOX_BED, BOX_TABLE, BOX_SOFA, BOX_CHAIR, BOX_TOILET, BOX_DESK, BOX_DRESSER, BOX_STAND = range(8)
BOX_BOOKSHELF, BOX_BATHTUB = 8, 9
Group = list[tuple[int | None, list[Solid]]]
Rng = np.random.Generator
PORCELAIN, STEEL = (0.8, 0.8, 0.78), (0.45, 0.46, 0.48)


def wood(rng: Rng, label: int) -> Look:
    tone = np.array([0.42, 0.26, 0.14]) * rng.uniform(0.3, 1.6)
    return Look(
        rgb(tone if rng.random() < 0.75 else np.full(3, rng.uniform(0.4, 0.8))), WOOD, label
    )


def fabric(rng: Rng, label: int) -> Look:
    return Look(paint(rng), CLOTH, label)


def pastel(rng: Rng, label: int, material: int = CLOTH, seed: float = 0.0) -> Look:
    return Look(hue(rng, rng.uniform(0.05, 0.4), rng.uniform(0.35, 0.75)), material, label, seed)


def legs(look: Look, x: float, y: float, height: float, radius: float = 0.03) -> list[Solid]:
    """Four legs at (±x, ±y)."""
    at = [(i * x, j * y) for i in (-1, 1) for j in (-1, 1)]
    return [rod(look, (a, b, 0), (a, b, height), radius) for a, b in at]


def drawers(rng: Rng, look: Look, x: float, y: float, height: float, rows: int) -> list[Solid]:
    """A chest of drawers, `x` deep and 2 `y` wide, with handles at the front."""
    knob = Look(STEEL, PLAIN, look.label)
    step, solids = height / rows, [slab(look, -x / 2, x / 2, y, 0, height)]
    for k in range(rows):
        z = (k + 0.5) * step
        solids.append(slab(look, x / 2, x / 2 + 0.015, y - 0.02, z - 0.46 * step, z + 0.46 * step))
        solids.append(slab(knob, x / 2 + 0.015, x / 2 + 0.035, 0.06, z - 0.01, z + 0.01))
    return solids


def lamp_on(rng: Rng, x: float, y: float, z: float, tall: float = 0.35) -> list[Solid]:
    shade = Look(rgb(np.array([0.9, 0.8, 0.6]) * rng.uniform(0.6, 1)), LAMP, LIGHT)
    stem = Look(STEEL, PLAIN, LIGHT)
    radius = rng.uniform(0.09, 0.15)
    return [
        rod(stem, (x, y, z), (x, y, z + tall), 0.02),
        rod(stem, (x, y, z), (x, y, z + 0.02), 0.09),
        rod(shade, (x, y, z + tall), (x, y, z + tall + 0.2), radius),
    ]


def on_top(rng: Rng, x: float, half_y: float, z: float, most: int) -> list[Solid]:
    """Draws small objects on a surface around (0, 0, z)."""
    found: list[Solid] = []
    for y in np.linspace(-half_y, half_y, 2 * most + 1)[1::2][: int(rng.integers(most + 1))]:
        found += _THINGS[int(rng.integers(len(_THINGS)))](rng, rng.uniform(-x, x), float(y), z)
    return found


def _books_lying(rng: Rng, x: float, y: float, z: float) -> list[Solid]:
    look, h = fabric(rng, BOOKS), rng.uniform(0.03, 0.12)
    return [box(look, x - 0.09, x + 0.09, y - 0.12, y + 0.12, z, z + h)]


def _paper(rng: Rng, x: float, y: float, z: float) -> list[Solid]:
    return [box(Look(WHITE, CLOTH, PAPER), x - 0.1, x + 0.1, y - 0.14, y + 0.14, z, z + 0.01)]


def _mug(rng: Rng, x: float, y: float, z: float) -> list[Solid]:
    return [rod(Look(paint(rng), PLAIN, PROP), (x, y, z), (x, y, z + 0.1), 0.04)]


def _vase(rng: Rng, x: float, y: float, z: float) -> list[Solid]:
    green = Look(rgb(np.array([0.1, 0.25, 0.06]) * rng.uniform(0.5, 1.5)), FOLIAGE, PROP)
    pot = Look(paint(rng), PLAIN, PROP)
    return [
        rod(pot, (x, y, z), (x, y, z + 0.14), 0.06),
        ball(green, (x, y, z + 0.25), (0.12, 0.12, 0.14)),
    ]


def _screen(rng: Rng, x: float, y: float, z: float) -> list[Solid]:
    dark = Look((0.02, 0.02, 0.025), PLAIN, TELEVISION)
    foot = slab(dark, x - 0.08, x + 0.08, 0.12, z, z + 0.02)
    return [
        *shifted([foot], 0, y, 0),
        box(dark, x - 0.02, x + 0.02, y - 0.28, y + 0.28, z + 0.08, z + 0.42),
        rod(dark, (x, y, z), (x, y, z + 0.1), 0.02),
    ]


_THINGS = (_books_lying, _paper, _mug, _vase, _screen, lamp_on)
