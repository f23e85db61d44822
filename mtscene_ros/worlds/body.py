"""Articulated persons: a skeleton with joint angles, posed_solids in solids.

Object frame: x forward, y left, z up; the origin lies on the ground below the middle of the hips.
Segment lengths are fractions of the stature (Drillis and Contini 1966, as in Winter, Biomechanics
and Motor Control of Human Movement, figure 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtscene_ros.worlds.parts import CLOTH, DARK, Look, ball, box, paint, rod, skin
from mtscene_ros.worlds.solid import F64, Solid

# PASCAL's six parts (classes.HUMAN_PARTS_7); hands count as lower arms, feet as lower legs.
HEAD, TORSO, UPPER_ARM, LOWER_ARM, UPPER_LEG, LOWER_LEG = range(1, 7)
THIGH, SHANK, ANKLE, TRUNK, UPPER, FORE, HAND = 0.245, 0.246, 0.039, 0.288, 0.186, 0.146, 0.108
HALF_HIP, HALF_SHOULDER = 0.055, 0.115
STRIDE = 0.82  # length of a full stride (two steps) as a fraction of the stature
Pair = tuple[float, float]  # right, left


@dataclass(frozen=True, slots=True)
class Body:
    """One person. stature_m: stature; breadth: relative to the average; skin, shirt, legs, hair:
    looks of skin, clothes and hair; phase_rad: gait phase at the start; walks: whether the person
    walks or stands with the feet together."""

    stature_m: float
    breadth: float
    skin: Look
    shirt: Look
    legs: Look
    hair: Look
    phase_rad: float
    walks: bool


@dataclass(frozen=True, slots=True)
class Pose:
    """Joint angles in rad; zero is a person who stands at attention.

    lean: forward tilt of the trunk; hips, shoulders: forward swing; knees: backward bend; elbows:
    forward bend; spreads: sideways swing of the arms; straddles: sideways swing of the legs.
    """

    lean: float = 0.0
    hips: Pair = (0.0, 0.0)
    knees: Pair = (0.0, 0.0)
    shoulders: Pair = (0.0, 0.0)
    spreads: Pair = (0.1, 0.1)
    elbows: Pair = (0.15, 0.15)
    straddles: Pair = (0.02, 0.02)


def random_body(rng: np.random.Generator, label: int) -> Body:
    """Draws a person; about one in seven is a child. label: class id of all solids."""
    tall = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.05, 1.45)
    phase, walks = rng.uniform(0, 2 * np.pi), bool(rng.random() < 0.8)
    skin_look = Look(skin(rng), CLOTH, label)
    shirt, legs, hair = (Look(paint(rng), CLOTH, label) for _ in range(3))
    return Body(tall, rng.uniform(0.85, 1.15), skin_look, shirt, legs, hair, phase, walks)


def walking_pose(phase_rad: float) -> Pose:
    """Returns the pose at a gait phase; 2 pi is one full stride. Arms swing opposite to the legs,
    and a knee bends while its leg comes forward."""
    swing, lift = np.sin(phase_rad), np.cos(phase_rad)
    return Pose(
        lean=0.05,
        hips=(0.45 * swing, -0.45 * swing),
        knees=(0.08 + 0.7 * max(lift, 0.0), 0.08 + 0.7 * max(-lift, 0.0)),
        shoulders=(-0.4 * swing, 0.4 * swing),
        elbows=(0.3, 0.3),
    )


def walking_solids(body: Body, walked_m: float) -> list[Solid]:
    """Returns the person's solids after walking `walked_m` metres."""
    if not body.walks:
        return posed_solids(body, Pose())
    phase_rad = body.phase_rad + 2 * np.pi * walked_m / (STRIDE * body.stature_m)
    return posed_solids(body, walking_pose(phase_rad))


def limb_direction(pitch: float, aside: float) -> F64:
    """Returns the unit vector of a hanging limb that is swung forward by `pitch` and outward (+y)
    by `aside`, both in rad."""
    out = np.cos(aside)
    return np.array([np.sin(pitch) * out, np.sin(aside), -np.cos(pitch) * out])


def posed_solids(body: Body, pose: Pose) -> list[Solid]:
    """Returns the person's solids in a pose; the hips stay at standing height."""
    size, w = body.stature_m, body.breadth * body.stature_m / 1.75
    hip = np.array([0.0, 0.0, (THIGH + SHANK + ANKLE) * size])
    spine = np.array([np.sin(pose.lean), 0.0, np.cos(pose.lean)])
    neck = hip + TRUNK * size * spine
    skull = neck + 0.115 * size * spine
    torso, head = replace(body.shirt, part=TORSO), replace(body.skin, part=HEAD)
    hair = replace(body.hair, part=HEAD)
    solids = [
        rod(torso, hip - 0.03 * spine, neck + 0.03 * spine, 0.13 * w, flat=1.5),
        ball(head, skull + np.array([0.02, 0, -0.01 * size]), (0.1 * w, 0.085 * w, 0.075 * size)),
        ball(hair, skull + np.array([-0.02, 0, 0.015 * size]), (0.1 * w, 0.09 * w, 0.06 * size)),
    ]
    for side, k in ((-1, 0), (1, 1)):
        mirror = np.array([1.0, side, 1.0])
        outward = np.array([0.0, side * size * body.breadth, 0.0])
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
    size, w = body.stature_m, body.breadth * body.stature_m / 1.75
    knee = hip + THIGH * size * limb_direction(swing, aside) * mirror
    ankle = knee + SHANK * size * limb_direction(swing - bend, aside) * mirror
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
    size, w = body.stature_m, body.breadth * body.stature_m / 1.75
    elbow = shoulder + UPPER * size * limb_direction(swing, aside) * mirror
    forward = limb_direction(swing + bend, aside) * mirror
    wrist = elbow + FORE * size * forward
    palm = wrist + HAND / 3 * size * forward
    return [
        rod(replace(body.shirt, part=UPPER_ARM), shoulder, elbow, 0.052 * w),
        rod(replace(body.shirt, part=LOWER_ARM), elbow, wrist, 0.043 * w),
        ball(replace(body.skin, part=LOWER_ARM), palm, (0.055 * w, 0.045 * w, 0.06 * w)),
    ]
