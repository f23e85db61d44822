"""Wall fittings, bathroom fittings and other free-standing objects.

Frames are those of furniture.py; objects that hang have x = 0 at the wall and z above the floor.
"""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds import household
from mtscene_ros.worlds.body import Pose, posed_solids, random_body, walking_solids
from mtscene_ros.worlds.household import Group, Rng
from mtscene_ros.worlds.parts import (
    CLOTH,
    DARK,
    FOLIAGE,
    GLASS,
    PICTURE,
    PLAIN,
    WHITE,
    Look,
    ball,
    box,
    paint,
    rgb,
    rod,
    shifted,
    slab,
)
from mtscene_ros.worlds.solid import Solid

SITTING = Pose(hips=(1.5, 1.5), knees=(1.5, 1.5), shoulders=(0.5, 0.5), elbows=(0.9, 0.9))


def door(rng: Rng) -> Group:
    half, top = rng.uniform(0.38, 0.48), rng.uniform(1.95, 2.1)
    look, frame = household.wood(rng, household.DOOR), household.wood(rng, household.DOOR)
    knob = Look(household.STEEL, PLAIN, household.DOOR)
    panels = [
        slab(look, 0.03, 0.045, 0.7 * half, a * top, b * top)
        for a, b in ((0.1, 0.45), (0.55, 0.92))
    ]
    jambs = [box(frame, 0, 0.06, y - 0.04, y + 0.04, 0, top) for y in (-half - 0.04, half + 0.04)]
    lintel = slab(frame, 0, 0.06, half + 0.08, top, top + 0.08)
    grip = [rod(knob, (0.03, half - 0.08, 1), (0.09, half - 0.08, 1), 0.02)]
    return [(None, [slab(look, 0, 0.03, half, 0, top), *panels, *jambs, lintel, *grip])]


def window(rng: Rng) -> Group:
    """A window with blinds, with curtains or bare."""
    half, low, top = rng.uniform(0.4, 1.1), rng.uniform(0.7, 1.0), rng.uniform(1.9, 2.2)
    outside = rgb(np.array([0.8, 0.95, 1.1]) * rng.uniform(0.5, 1.3))
    pane = slab(
        Look(outside, GLASS, household.WINDOW, rng.uniform(0.4, 1.2)), 0, 0.03, half, low, top
    )
    sill = slab(Look(WHITE, PLAIN, household.WINDOW), 0, 0.12, half + 0.05, low - 0.03, low)
    group: Group = [(None, [pane, sill])]
    kind = rng.random()
    if kind < 0.35:
        slat, end = household.pastel(rng, household.BLINDS), rng.uniform(low, top - 0.3)
        rows = np.arange(end, top, 0.06)
        group.append((None, [slab(slat, 0.05, 0.07, half, z, z + 0.045) for z in rows]))
    elif kind < 0.75:
        cloth = household.fabric(rng, household.CURTAIN)
        end = float(rng.choice([0.05, low - 0.15]))
        folds: list[Solid] = []
        for side in (-1, 1):
            for k in range(5):
                y = side * (half + 0.15 - 0.09 * k)
                folds.append(rod(cloth, (0.11, y, end), (0.11, y, top + 0.1), 0.055))
        group.append((None, folds))
    return group


def picture(rng: Rng) -> Group:
    y, z, half = rng.uniform(0.15, 0.5), rng.uniform(1.4, 1.7), rng.uniform(0.15, 0.35)
    look = Look(paint(rng), PICTURE, household.PICTURES, float(rng.random()))
    return [(None, [slab(look, 0, 0.03, y, z - half, z + half)])]


def mirror(rng: Rng) -> Group:
    y, z, half = rng.uniform(0.2, 0.5), rng.uniform(1.4, 1.6), rng.uniform(0.3, 0.5)
    glass = Look((0.35, 0.38, 0.4), PLAIN, household.MIRROR)
    frame = household.wood(rng, household.MIRROR)
    solids = [slab(frame, 0, 0.02, y, z - half, z + half)]
    return [
        (None, [*solids, slab(glass, 0.02, 0.025, y - 0.03, z - half + 0.03, z + half - 0.03)])
    ]


def television(rng: Rng) -> Group:
    y, z, half = rng.uniform(0.4, 0.7), rng.uniform(1.2, 1.5), rng.uniform(0.25, 0.4)
    dark = Look((0.02, 0.02, 0.025), PLAIN, household.TELEVISION)
    return [(None, [slab(dark, 0.02, 0.07, y, z - half, z + half)])]


def whiteboard(rng: Rng) -> Group:
    y = rng.uniform(0.5, 1.1)
    solids = [slab(Look(household.STEEL, PLAIN, household.BOARD), 0, 0.02, y, 0.9, 2.0)]
    solids.append(slab(Look(WHITE, PLAIN, household.BOARD), 0.02, 0.025, y - 0.03, 0.93, 1.97))
    notes = [
        (None, [slab(Look((0.8, 0.75, 0.3), CLOTH, household.PAPER), 0.025, 0.03, 0.1, 1.4, 1.65)])
    ]
    return [(None, solids), *(notes if rng.random() < 0.5 else [])]


def towel_or_clothes(rng: Rng) -> Group:
    """A towel, or clothes on hooks."""
    if rng.random() < 0.5:
        bar, z = Look(household.STEEL, PLAIN, household.TOWEL), rng.uniform(1.1, 1.4)
        rail = rod(bar, (0.06, -0.35, z), (0.06, 0.35, z), 0.012)
        return [
            (
                None,
                [
                    rail,
                    slab(
                        household.fabric(rng, household.TOWEL),
                        0.035,
                        0.085,
                        0.25,
                        z - 0.6,
                        z + 0.02,
                    ),
                ],
            )
        ]
    coats = []
    for y in np.linspace(-0.25, 0.25, int(rng.integers(1, 4))):
        look = household.fabric(rng, household.CLOTHES)
        coats.append(rod(look, (0.1, y, rng.uniform(0.7, 1)), (0.08, y, 1.65), 0.09, flat=1.4))
    return [(None, coats)]


def shelf(rng: Rng) -> Group:
    y = rng.uniform(0.3, 0.8)
    z = rng.uniform(1.3, 1.7)
    look = household.wood(rng, household.SHELVES)
    objects = household.on_top(rng, 0.01, 0.8 * y, z + 0.03, 3)
    moved = shifted(objects, 0.13, 0, 0)
    return [(None, [slab(look, 0, 0.25, y, z, z + 0.03)]), (None, moved)]


def toilet(rng: Rng) -> Group:
    look = Look(household.PORCELAIN, PLAIN, household.TOILET)
    solids = [
        slab(look, -0.35, -0.18, 0.2, 0.38, rng.uniform(0.7, 0.85)),
        rod(look, (0.05, 0, 0), (0.05, 0, 0.3), 0.14),
        ball(look, (0.05, 0, 0.3), (0.27, 0.19, 0.13)),
        rod(look, (0.05, 0, 0.4), (0.05, 0, 0.43), 0.25, flat=0.76),
        slab(look, -0.2, 0.0, 0.1, 0, 0.38),
    ]
    return [(household.BOX_TOILET, solids)]


def wash_stand(rng: Rng) -> Group:
    white = Look(household.PORCELAIN, PLAIN, household.SINK)
    steel = Look(household.STEEL, PLAIN, household.SINK)
    tap = [
        rod(steel, (-0.18, 0, 0.85), (-0.18, 0, 1.0), 0.015),
        rod(steel, (-0.18, 0, 1), (-0.06, 0, 0.98), 0.012),
    ]
    if rng.random() < 0.5:
        bowl: list[Solid] = [
            ball(white, (0, 0, 0.76), (0.24, 0.28, 0.11)),
            rod(white, (0, 0, 0), (0, 0, 0.7), 0.09),
        ]
        return [(None, bowl + tap)]
    chest = household.drawers(
        rng, household.wood(rng, household.CABINET), 0.46, rng.uniform(0.3, 0.6), 0.8, 2
    )
    return [(None, chest), (None, [rod(white, (0, 0, 0.8), (0, 0, 0.88), 0.2), *tap])]


def bathtub(rng: Rng) -> Group:
    look = Look(household.PORCELAIN, PLAIN, household.BATHTUB)
    x = 0.36
    y = rng.uniform(0.7, 0.85)
    z = rng.uniform(0.5, 0.6)
    water = Look((0.6, 0.68, 0.7), PLAIN, household.BATHTUB)
    rims = [slab(look, -x, -x + 0.06, y, 0, z), slab(look, x - 0.06, x, y, 0, z)]
    rims += [box(look, -x, x, j - 0.03, j + 0.03, 0, z) for j in (-y + 0.03, y - 0.03)]
    group: Group = [
        (household.BOX_BATHTUB, [*rims, slab(water, -x + 0.06, x - 0.06, y - 0.06, 0, 0.25)])
    ]
    if rng.random() < 0.7:
        cloth, end = household.fabric(rng, household.SHOWER), rng.uniform(0.2, 1.2) * y
        folds = np.arange(-y, -y + end, 0.09)
        group.append(
            (None, [rod(cloth, (x + 0.03, j, 0.25), (x + 0.03, j, 2), 0.05) for j in folds])
        )
    return group


def floor_lamp(rng: Rng) -> Group:
    return [(None, household.lamp_on(rng, 0, 0, 0, rng.uniform(1.2, 1.6)))]


def cartons(rng: Rng) -> Group:
    solids, z = [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        x, y, h = rng.uniform(0.12, 0.25, 3)
        brown = Look(
            rgb(np.array([0.45, 0.32, 0.2]) * rng.uniform(0.7, 1.2)), CLOTH, household.CARTON
        )
        solids.append(slab(brown, -x, x, y, z, z + 1.5 * h))
        z += 1.5 * h
    return [(None, solids)]


def bag(rng: Rng) -> Group:
    look, h = household.fabric(rng, household.BAG), rng.uniform(0.3, 0.5)
    strap = rod(look, (0, -0.1, h), (0, 0.1, h + 0.03), 0.015)
    return [(None, [slab(look, -0.09, 0.09, 0.17, 0, h, 0.03, 0.03, 0.05), strap])]


def plant(rng: Rng) -> Group:
    tall = rng.uniform(0.5, 1.2)
    green = Look(
        rgb(np.array([0.08, 0.22, 0.05]) * rng.uniform(0.5, 1.6)), FOLIAGE, household.PROP
    )
    crown = ball(green, (0, 0, tall), (0.28, 0.28, 0.35))
    stem = rod(Look((0.2, 0.13, 0.07), CLOTH, household.PROP), (0, 0, 0.2), (0, 0, tall), 0.02)
    return [
        (
            None,
            [
                rod(Look(paint(rng), PLAIN, household.PROP), (0, 0, 0), (0, 0, 0.3), 0.15),
                stem,
                crown,
            ],
        )
    ]


def stool(rng: Rng) -> Group:
    z, look = rng.uniform(0.35, 0.5), household.fabric(rng, household.OTHER)
    foot = household.legs(Look(DARK, PLAIN, household.OTHER), 0.15, 0.15, z)
    return [(None, [rod(look, (0, 0, z), (0, 0, z + 0.08), rng.uniform(0.2, 0.26)), *foot])]


def column(rng: Rng) -> Group:
    half = rng.uniform(0.12, 0.25)
    return [(None, [slab(household.pastel(rng, household.STRUCTURE), -half, half, half, 0, 2.4)])]


def standing_person(rng: Rng) -> Group:
    """A person who stands or walks."""
    return [(None, walking_solids(random_body(rng, household.PERSON), 0.0))]


def seated_person(rng: Rng) -> Group:
    """A person on a stool, facing the room."""
    body = random_body(rng, household.PERSON)
    seat = 0.53 * body.stature_m - 0.26 * body.stature_m  # soles on the floor, thighs level
    z = 0.285 * body.stature_m - 0.08
    solids = shifted(posed_solids(body, SITTING), 0, 0, -seat)
    return [
        (None, solids),
        (None, [rod(household.fabric(rng, household.OTHER), (0, 0, 0), (0, 0, z), 0.2)]),
    ]
