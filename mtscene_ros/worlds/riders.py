"""Motorcyclists and cyclists. Object frame: x forward, y left, z up from the ground."""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds.parts import (
    BICYCLE,
    CLOTH,
    DARK,
    LAMP,
    MOTORCYCLE,
    PLAIN,
    RED,
    RIDER,
    WHITE,
    Look,
    ball,
    paint,
    rod,
    skin,
    slab,
    wheel,
)
from mtscene_ros.worlds.solid import F64, Solid


def _rider(rng: np.random.Generator, seat: F64, grip: F64, foot: F64, helmet: bool) -> list[Solid]:
    """A seated rider: seat at (x, z), hands at `grip` (x, y, z), feet at `foot` (x, y, z)."""
    shirt, legs = Look(paint(rng), CLOTH, RIDER), Look(paint(rng), CLOTH, RIDER)
    bare = Look(skin(rng), CLOTH, RIDER)
    tall = rng.uniform(0.5, 0.6)
    hat = Look(paint(rng), PLAIN if helmet else CLOTH, RIDER)
    x, z = seat[0] + 0.45 * tall * (grip[0] - seat[0]) + 0.05, seat[1] + tall
    parts = [
        rod(shirt, (seat[0], 0, seat[1] - 0.05), (x, 0, z + 0.05), 0.15, flat=1.3),
        ball(bare, (x + 0.06, 0, z + 0.2), (0.12, 0.1, 0.13)),
        ball(hat, (x + 0.04, 0, z + 0.25), (0.14, 0.12, 0.11)),
    ]
    knee = np.array([(seat[0] + foot[0]) / 2 + 0.22, 0.16, (seat[1] + foot[2]) / 2 + 0.12])
    for side in (-1, 1):
        mirror = np.array([1, side, 1])
        parts += [
            rod(legs, (seat[0], side * 0.1, seat[1]), knee * mirror, 0.085),
            rod(legs, knee * mirror, foot * mirror, 0.065),
            rod(shirt, (x, side * 0.2, z), grip * mirror, 0.05),
        ]
    return parts


def motorcycle(rng: np.random.Generator) -> list[Solid]:
    length, radius = rng.uniform(1.9, 2.3), rng.uniform(0.27, 0.33)
    h, seat, kind = length / 2, rng.uniform(0.75, 0.88), MOTORCYCLE
    color, dark = Look(paint(rng), PLAIN, kind), Look(DARK, PLAIN, kind)
    steer = h - radius - 0.28
    bar = seat + 0.28
    parts = [
        wheel(h - radius, 0, radius, 0.13, kind),
        wheel(radius - h, 0, radius, 0.17, kind),
        slab(dark, -0.4, 0.35, 0.17, 0.3, 0.62),
        ball(color, (0.15, 0, seat + 0.03), (0.34, 0.18, 0.2)),
        slab(color, -h + 0.1, -0.05, 0.14, seat - 0.13, seat),
        ball(color, (steer + 0.12, 0, seat + 0.1), (0.2, 0.2, 0.25)),
        rod(dark, (h - radius, 0.08, radius), (steer, 0.08, seat + 0.25), 0.035),
        rod(dark, (h - radius, -0.08, radius), (steer, -0.08, seat + 0.25), 0.035),
        rod(dark, (steer - 0.05, -0.38, bar), (steer - 0.05, 0.38, bar), 0.025),
        slab(Look(WHITE, LAMP, kind), steer + 0.25, steer + 0.33, 0.09, seat, seat + 0.16),
        slab(Look(RED, LAMP, kind), -h + 0.06, -h + 0.12, 0.1, seat - 0.13, seat - 0.03),
        slab(Look(WHITE, PLAIN, kind), -h + 0.03, -h + 0.06, 0.1, seat - 0.4, seat - 0.25),
        rod(Look((0.5, 0.5, 0.5), PLAIN, kind), (-h + 0.1, -0.2, 0.38), (0.1, -0.2, 0.33), 0.06),
    ]
    grip, foot = np.array([steer - 0.08, 0.34, bar]), np.array([0.0, 0.22, 0.3])
    return parts + _rider(rng, np.array([-0.28, seat + 0.08]), grip, foot, helmet=True)


def bicycle(rng: np.random.Generator) -> list[Solid]:
    length, radius = rng.uniform(1.6, 1.85), rng.uniform(0.31, 0.36)
    h, seat, kind = length / 2, rng.uniform(0.88, 1.02), BICYCLE
    frame, dark, wire = (
        Look(paint(rng), CLOTH, kind),
        Look(DARK, PLAIN, kind),
        Look((0.4, 0.4, 0.4), PLAIN, kind),
    )
    back, front = radius - h, h - radius
    pedal = float(np.sin(rng.uniform(0, 6.28))) * 0.16
    crank, post, head = (-0.08, 0.0, 0.3), (-0.2, 0.0, seat - 0.12), front - 0.22
    parts = [
        wheel(front, 0, radius, 0.05, kind, hole=0.86),
        wheel(back, 0, radius, 0.05, kind, hole=0.86),
        rod(frame, (back, 0, radius), crank, 0.025),
        rod(frame, crank, (-0.22, 0, seat - 0.05), 0.03),
        rod(frame, crank, (front - 0.2, 0, seat - 0.15), 0.03),
        rod(frame, post, (front - 0.2, 0, seat - 0.1), 0.03),
        rod(frame, (back, 0, radius), post, 0.02),
        rod(frame, (front, 0, radius), (head, 0, seat + 0.08), 0.025),
        rod(dark, (head, -0.3, seat + 0.08), (head, 0.3, seat + 0.08), 0.02),
        slab(dark, -0.36, -0.1, 0.09, seat - 0.06, seat),
        slab(Look(WHITE, LAMP, kind), front - 0.18, front - 0.1, 0.05, seat - 0.1, seat),
        slab(Look(RED, LAMP, kind), back - 0.12, back - 0.08, 0.05, 2 * radius, 2 * radius + 0.1),
    ]
    for angle in np.arange(4) * np.pi / 4:
        tip = 0.88 * radius * np.array([np.cos(angle), 0, np.sin(angle)])
        for x in (back, front):
            hub = np.array([x, 0, radius])
            parts.append(rod(wire, hub - tip, hub + tip, 0.008))
    grip, foot = np.array([front - 0.26, 0.28, seat + 0.08]), np.array([pedal - 0.05, 0.12, 0.22])
    helmet = bool(rng.random() < 0.5)
    return parts + _rider(rng, np.array([-0.2, seat + 0.1]), grip, foot, helmet)
