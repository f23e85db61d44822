"""Articulated persons: a skeleton with joint angles, dressed in solids.

Object frame: x forward, y left, z up, the hips' middle above the origin. Lengths of the segments
are shares of the stature (Drillis and Contini 1966, as in Winter, Biomechanics and Motor Control
of Human Movement, figure 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtscene_ros.worlds.parts import CLOTH, DARK, Look, ball, box, paint, rod, skin
from mtscene_ros.worlds.solid import F64, Solid

# PASCAL's six parts (classes.HUMAN_PARTS_7); hands go with the lower arms, feet with the legs.
HEAD, TORSO, UPPER_ARM, LOWER_ARM, UPPER_LEG, LOWER_LEG = range(1, 7)
THIGH, SHANK, ANKLE, TRUNK, UPPER, FORE, HAND = 0.245, 0.246, 0.039, 0.288, 0.186, 0.146, 0.108
HALF_HIP, HALF_SHOULDER = 0.055, 0.115
STRIDE = 0.82  # of the stature: two steps of a walk
Pair = tuple[float, float]  # right, left


@dataclass(frozen=True, slots=True)
class Body:
    """tall_m; wide: breadth over the usual one; looks; phase_rad: where its walk begins; walks:
    whether it strides or stands with its feet together."""

    tall_m: float
    wide: float
    bare: Look
    shirt: Look
    legs: Look
    hair: Look
    phase_rad: float
    walks: bool


@dataclass(frozen=True, slots=True)
class Pose:
    """Joint angles, rad, zero for a soldier at attention.

    lean: of the trunk, forwards; hips, shoulders: forwards; knees: backwards; elbows: forwards;
    spreads: of the arms, sideways; straddles: of the legs, sideways.
    """

    lean: float = 0.0
    hips: Pair = (0.0, 0.0)
    knees: Pair = (0.0, 0.0)
    shoulders: Pair = (0.0, 0.0)
    spreads: Pair = (0.1, 0.1)
    elbows: Pair = (0.15, 0.15)
    straddles: Pair = (0.02, 0.02)


def random_body(rng: np.random.Generator, label: int) -> Body:
    """One in seven a child. label: the class that all its solids have."""
    tall = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.05, 1.45)
    phase, walks = rng.uniform(0, 2 * np.pi), bool(rng.random() < 0.8)
    bare = Look(skin(rng), CLOTH, label)
    shirt, legs, hair = (Look(paint(rng), CLOTH, label) for _ in range(3))
    return Body(tall, rng.uniform(0.85, 1.15), bare, shirt, legs, hair, phase, walks)


def walking(phase_rad: float) -> Pose:
    """One stride over a phase of 2 pi; arms swing against the legs, a knee bends as its leg
    comes forward."""
    swing, lift = np.sin(phase_rad), np.cos(phase_rad)
    return Pose(
        lean=0.05,
        hips=(0.45 * swing, -0.45 * swing),
        knees=(0.08 + 0.7 * max(lift, 0.0), 0.08 + 0.7 * max(-lift, 0.0)),
        shoulders=(-0.4 * swing, 0.4 * swing),
        elbows=(0.3, 0.3),
    )


def walker(body: Body, way_m: float) -> list[Solid]:
    """The body after way_m metres of its walk."""
    if not body.walks:
        return dressed(body, Pose())
    return dressed(body, walking(body.phase_rad + 2 * np.pi * way_m / (STRIDE * body.tall_m)))


def along(pitch: float, aside: float) -> F64:
    """Unit vector of a limb that hangs, swung forwards by pitch and outwards (+y) by aside."""
    out = np.cos(aside)
    return np.array([np.sin(pitch) * out, np.sin(aside), -np.cos(pitch) * out])


def dressed(body: Body, pose: Pose) -> list[Solid]:
    """Solids of the body in a pose, hips where they are when it stands."""
    size, w = body.tall_m, body.wide * body.tall_m / 1.75
    hip = np.array([0.0, 0.0, (THIGH + SHANK + ANKLE) * size])
    spine = np.array([np.sin(pose.lean), 0.0, np.cos(pose.lean)])
    neck = hip + TRUNK * size * spine
    skull = neck + 0.115 * size * spine
    torso, head = replace(body.shirt, part=TORSO), replace(body.bare, part=HEAD)
    hair = replace(body.hair, part=HEAD)
    solids = [
        rod(torso, hip - 0.03 * spine, neck + 0.03 * spine, 0.13 * w, flat=1.5),
        ball(head, skull + np.array([0.02, 0, -0.01 * size]), (0.1 * w, 0.085 * w, 0.075 * size)),
        ball(hair, skull + np.array([-0.02, 0, 0.015 * size]), (0.1 * w, 0.09 * w, 0.06 * size)),
    ]
    for side, k in ((-1, 0), (1, 1)):
        mirror = np.array([1.0, side, 1.0])
        outward = np.array([0.0, side * size * body.wide, 0.0])
        at_hip, at_shoulder = (
            hip + HALF_HIP * outward,
            neck + HALF_SHOULDER * outward - 0.02 * spine,
        )
        solids += _leg(body, at_hip, pose.hips[k], pose.knees[k], pose.straddles[k], mirror)
        bends = pose.shoulders[k], pose.elbows[k], pose.spreads[k]
        solids += _arm(body, at_shoulder, *bends, mirror)
    return solids


def _leg(
    body: Body, hip: F64, swing: float, bend: float, aside: float, mirror: F64
) -> list[Solid]:
    size, w = body.tall_m, body.wide * body.tall_m / 1.75
    knee = hip + THIGH * size * along(swing, aside) * mirror
    ankle = knee + SHANK * size * along(swing - bend, aside) * mirror
    shoe = Look(DARK, CLOTH, body.legs.label, part=LOWER_LEG)
    x, y, z = ankle
    return [
        rod(replace(body.legs, part=UPPER_LEG), hip, knee, 0.078 * w),
        rod(replace(body.legs, part=LOWER_LEG), knee, ankle, 0.06 * w),
        box(shoe, x - 0.07 * w, x + 0.19 * w, y - 0.05 * w, y + 0.05 * w, z - ANKLE * size, z),
    ]


def _arm(
    body: Body, shoulder: F64, swing: float, bend: float, aside: float, mirror: F64
) -> list[Solid]:
    size, w = body.tall_m, body.wide * body.tall_m / 1.75
    elbow = shoulder + UPPER * size * along(swing, aside) * mirror
    forward = along(swing + bend, aside) * mirror
    wrist = elbow + FORE * size * forward
    palm = wrist + HAND / 3 * size * forward
    return [
        rod(replace(body.shirt, part=UPPER_ARM), shoulder, elbow, 0.052 * w),
        rod(replace(body.shirt, part=LOWER_ARM), elbow, wrist, 0.043 * w),
        ball(replace(body.bare, part=LOWER_ARM), palm, (0.055 * w, 0.045 * w, 0.06 * w)),
    ]
