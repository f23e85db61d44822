"""Furniture. Object frame: x away from the wall behind it, y left, z up from the floor.

The first solid of every object with a box is upright and shows which way the object faces.
"""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds import household
from mtscene_ros.worlds.household import (
    Group,
    Rng,
    drawers,
    fabric,
    lamp_on,
    legs,
    on_top,
    pastel,
    wood,
)
from mtscene_ros.worlds.parts import (
    PLAIN,
    SPINES,
    WHITE,
    Look,
    ball,
    box,
    placed,
    rod,
    shifted,
    slab,
    turn,
)
from mtscene_ros.worlds.solid import Solid


def bed(rng: Rng) -> Group:
    length, half, z = rng.uniform(1.9, 2.1), rng.uniform(0.45, 0.9), rng.uniform(0.4, 0.6)
    frame = wood(rng, household.BED)
    sheet = pastel(rng, household.BED)
    quilt = fabric(rng, household.BED)
    solids = [
        slab(frame, -length / 2 - 0.08, -length / 2, half + 0.03, 0, z + rng.uniform(0.2, 0.7)),
        slab(frame, -length / 2, length / 2, half, 0.1, z - 0.2),
        slab(sheet, -length / 2, length / 2 - 0.03, half - 0.02, z - 0.2, z),
        slab(quilt, -length / 5, length / 2 + 0.01, half + 0.02, z - 0.25, z + 0.05),
    ]
    count = 1 if half < 0.6 else 2
    pillow, extra = pastel(rng, household.PILLOW), []
    for k in range(count):
        y = (k - (count - 1) / 2) * half
        extra.append(ball(pillow, (-length / 2 + 0.25, y, z + 0.07), (0.2, 0.32, 0.1)))
    if rng.random() < 0.25:
        extra.append(
            ball(
                fabric(rng, household.CLOTHES),
                (0.3, rng.uniform(-0.3, 0.3), z + 0.08),
                (0.3, 0.25, 0.09),
            )
        )
    return [(household.BOX_BED, solids), (None, extra)]


def night_stand(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.35, 0.45), rng.uniform(0.2, 0.3), rng.uniform(0.45, 0.65)
    return [
        (household.BOX_STAND, drawers(rng, wood(rng, household.NIGHT_STAND), x, y, z, 2)),
        (None, lamp_on(rng, 0, 0, z)),
    ]


def dresser(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.75), rng.uniform(0.7, 1.1)
    rows = int(rng.integers(3, 5))
    chest = drawers(rng, wood(rng, household.DRESSER), x, y, z, rows)
    return [(household.BOX_DRESSER, chest), (None, on_top(rng, 0.08, y, z, 3))]


def cabinet(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.9), rng.uniform(1.8, 2.2)
    look = wood(rng, household.CABINET)
    doors = [
        box(look, x / 2, x / 2 + 0.02, j - 0.47 * y, j + 0.47 * y, 0.05, z - 0.03)
        for j in (-y / 2, y / 2)
    ]
    knobs = [
        rod(
            Look(household.STEEL, PLAIN, household.CABINET),
            (x / 2 + 0.03, j, 1),
            (x / 2 + 0.03, j, 1.15),
            0.012,
        )
        for j in (-0.05, 0.05)
    ]
    return [(None, [slab(look, -x / 2, x / 2, y, 0, z), *doors, *knobs])]


def desk(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.3, 0.4), rng.uniform(0.5, 0.85), rng.uniform(0.71, 0.77)
    look = wood(rng, household.DESK)
    side = [
        box(look, -x, x - 0.05, j - 0.015, j + 0.015, 0, z - 0.03) for j in (-y + 0.02, y - 0.02)
    ]
    chest = shifted(drawers(rng, look, 0.5, 0.2, z - 0.06, 3), 0, y - 0.25, 0)
    group: Group = [(household.BOX_DESK, [slab(look, -x, x, y, z - 0.03, z), *side, *chest])]
    group.append((None, on_top(rng, 0.15, y, z, 3)))
    seat = placed(chair_solids(rng), turn(np.pi), np.array([x + 0.25, -0.2, 0]))
    return [*group, (household.BOX_CHAIR, seat)]


def chair_solids(rng: Rng) -> list[Solid]:
    """A chair that faces along x."""
    half, z = rng.uniform(0.2, 0.25), rng.uniform(0.42, 0.48)
    look = wood(rng, household.CHAIR) if rng.random() < 0.6 else fabric(rng, household.CHAIR)
    top = z + rng.uniform(0.38, 0.55)
    return [
        slab(look, -half, half, half, z - 0.04, z),
        *legs(look, half - 0.03, half - 0.03, z, 0.02),
        slab(look, -half, -half + 0.04, half, z + 0.12, top),
        rod(look, (-half + 0.02, -half + 0.03, z), (-half + 0.02, -half + 0.03, top), 0.02),
        rod(look, (-half + 0.02, half - 0.03, z), (-half + 0.02, half - 0.03, top), 0.02),
    ]


def chair(rng: Rng) -> Group:
    return [(household.BOX_CHAIR, chair_solids(rng))]


def table(rng: Rng) -> Group:
    """A table with chairs at its sides."""
    x, y, z = rng.uniform(0.35, 0.5), rng.uniform(0.4, 0.95), rng.uniform(0.7, 0.77)
    look = wood(rng, household.TABLE)
    if rng.random() < 0.25:
        top = rod(look, (0, 0, z - 0.04), (0, 0, z), y)
        foot = [rod(look, (0, 0, 0), (0, 0, z), 0.06), rod(look, (0, 0, 0), (0, 0, 0.03), 0.3)]
        solids, x = [top, *foot], y
    else:
        solids = [slab(look, -x, x, y, z - 0.04, z), *legs(look, x - 0.06, y - 0.06, z - 0.04)]
    group: Group = [(household.BOX_TABLE, solids), (None, on_top(rng, 0.2, 0.8 * y, z, 3))]
    for side in (-1, 1):
        for at in np.linspace(-y, y, 2 * int(rng.integers(0, 3)) + 1)[1::2]:
            way = turn(rng.normal(0, 0.15) + (0 if side < 0 else np.pi))
            group.append(
                (
                    household.BOX_CHAIR,
                    placed(chair_solids(rng), way, np.array([side * (x + 0.12), at, 0])),
                )
            )
    return group


def low_table(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.25, 0.4), rng.uniform(0.4, 0.65), rng.uniform(0.38, 0.48)
    look = wood(rng, household.TABLE)
    solids = [slab(look, -x, x, y, z - 0.04, z), *legs(look, x - 0.05, y - 0.05, z)]
    return [(household.BOX_TABLE, solids), (None, on_top(rng, 0.15, 0.8 * y, z, 2))]


def sofa(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.4, 0.48), rng.uniform(0.45, 1.1), rng.uniform(0.4, 0.46)
    look = fabric(rng, household.SOFA)
    solids = [
        slab(look, -x, x, y, 0.06, z - 0.14),
        slab(look, -x, -x + 0.22, y, z - 0.14, z + rng.uniform(0.35, 0.5), 0, 0, 0.04),
        box(look, -x, x, -y - 0.15, -y, 0.05, z + 0.18),
        box(look, -x, x, y, y + 0.15, 0.05, z + 0.18),
    ]
    seats = max(1, round(y / 0.4))
    for k in range(seats):
        middle, half = (2 * k + 1 - seats) * y / seats, y / seats - 0.01
        solids.append(box(look, -x + 0.2, x + 0.02, middle - half, middle + half, z - 0.14, z))
    extra = []
    if rng.random() < 0.6:
        extra = [
            ball(
                fabric(rng, household.PILLOW),
                (-x + 0.32, rng.uniform(-y, y) * 0.7, z + 0.2),
                (0.1, 0.22, 0.21),
            )
        ]
    return [(household.BOX_SOFA, solids), (None, extra)]


def bookshelf(rng: Rng) -> Group:
    x, y, z = rng.uniform(0.14, 0.18), rng.uniform(0.35, 0.6), rng.uniform(1.2, 2.1)
    look, rows = wood(rng, household.BOOKSHELF), int(rng.integers(3, 6))
    solids = [slab(look, -x, -x + 0.02, y, 0, z)]
    solids += [box(look, -x, x, j - 0.012, j + 0.012, 0, z) for j in (-y, y)]
    solids += [slab(look, -x, x, y, k * z / rows, k * z / rows + 0.025) for k in range(rows)]
    solids.append(slab(look, -x, x, y, z - 0.025, z))
    books = []
    for k in range(rows):
        if rng.random() < 0.85:
            first, last = -y + 0.03, rng.uniform(-0.2, 1) * (y - 0.03)
            height = z / rows * rng.uniform(0.55, 0.85)
            spines = Look(WHITE, SPINES, household.BOOKS, float(rng.random()))
            books.append(
                box(
                    spines,
                    -x + 0.03,
                    x - rng.uniform(0.02, 0.06),
                    first,
                    last,
                    k * z / rows + 0.025,
                    k * z / rows + 0.025 + height,
                )
            )
    return [(household.BOX_BOOKSHELF, solids), (None, books)]


def fridge(rng: Rng) -> Group:
    z, split = rng.uniform(1.5, 1.9), rng.uniform(0.9, 1.2)
    look = Look(
        household.PORCELAIN if rng.random() < 0.6 else household.STEEL, PLAIN, household.FRIDGE
    )
    grip = Look(household.STEEL, PLAIN, household.FRIDGE)
    doors = [
        slab(look, 0.3, 0.34, 0.3, 0.05, split - 0.01),
        slab(look, 0.3, 0.34, 0.3, split + 0.01, z),
    ]
    bars = [
        rod(grip, (0.37, -0.25, a), (0.37, -0.25, a + 0.3), 0.012)
        for a in (split - 0.4, split + 0.1)
    ]
    return [(None, [slab(look, -0.32, 0.3, 0.3, 0, z), *doors, *bars])]


def counter(rng: Rng) -> Group:
    """Kitchen units with a worktop, a sink in it, and wall units or shelves above."""
    y = rng.uniform(0.8, 1.5)
    look = wood(rng, household.CABINET)
    top = pastel(rng, household.COUNTER, PLAIN)
    at = rng.uniform(-0.5, 0.5) * y
    low = drawers(rng, look, 0.55, y, 0.86, 2)
    steel = Look(household.STEEL, PLAIN, household.SINK)
    sink = Look((0.3, 0.31, 0.32), PLAIN, household.SINK)
    basin = [
        box(sink, -0.17, 0.2, at - 0.25, at + 0.25, 0.9, 0.906),
        rod(steel, (-0.2, at, 0.9), (-0.2, at, 1.1), 0.015),
        rod(steel, (-0.2, at, 1.1), (-0.05, at, 1.08), 0.012),
    ]
    group: Group = [(None, low), (None, [slab(top, -0.3, 0.31, y, 0.86, 0.9)]), (None, basin)]
    group.append((None, on_top(rng, 0.05, 0.9 * y, 0.9, 3)))
    if rng.random() < 0.6:
        group.append(
            (
                None,
                shifted(drawers(rng, look, 0.33, 0.8 * y, 0.6, 1), -0.13, 0, 1.45),
            )
        )
    else:
        group += shelf_at(rng, 0.7 * y, 1.5)
    return group


def shelf_at(rng: Rng, y: float, z: float) -> Group:
    board = slab(wood(rng, household.SHELVES), -0.3, -0.05, y, z, z + 0.03)
    objects = shifted(on_top(rng, 0.02, 0.8 * y, z + 0.03, 3), -0.17, 0, 0)
    return [(None, [board]), (None, objects)]
