"""Motorcycles and bicycles with their riders; object frame as in vehicles.py."""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds.raycast import Solid
from mtscene_ros.worlds.vehicles import (
    BICYCLE, CLOTH, DARK, LAMP, MOTORCYCLE, PLAIN, RED, WHITE, Look, _rider, ball, block, limb, paint, wheel,
)


def motorcycle(rng: np.random.Generator) -> list[Solid]:
    length, radius = rng.uniform(1.9, 2.3), rng.uniform(0.27, 0.33)
    half, seat = length / 2, rng.uniform(0.75, 0.88)
    color, dark, label = Look(paint(rng), PLAIN, MOTORCYCLE), Look(DARK, PLAIN, MOTORCYCLE), MOTORCYCLE
    steer = half - radius - 0.28
    parts = [
        wheel(half - radius, 0, radius, 0.13, label), wheel(-half + radius, 0, radius, 0.17, label),
        block((-0.4, 0.35), (-0.17, 0.17), (0.3, 0.62), dark),
        ball((0.15, 0, seat + 0.03), (0.34, 0.18, 0.2), color),
        block((-half + 0.1, -0.05), (-0.14, 0.14), (seat - 0.13, seat), color),
        ball((steer + 0.12, 0, seat + 0.1), (0.2, 0.2, 0.25), color),
        limb((half - radius, 0.08, radius), (steer, 0.08, seat + 0.25), 0.035, dark),
        limb((half - radius, -0.08, radius), (steer, -0.08, seat + 0.25), 0.035, dark),
        limb((steer - 0.05, -0.38, seat + 0.28), (steer - 0.05, 0.38, seat + 0.28), 0.025, dark),
        block((steer + 0.25, steer + 0.33), (-0.09, 0.09), (seat, seat + 0.16), Look(WHITE, LAMP, label)),
        block((-half + 0.06, -half + 0.12), (-0.1, 0.1), (seat - 0.13, seat - 0.03), Look(RED, LAMP, label)),
        block((-half + 0.03, -half + 0.06), (-0.1, 0.1), (seat - 0.4, seat - 0.25), Look(WHITE, PLAIN, label)),
        limb((-half + 0.1, -0.2, 0.38), (0.1, -0.2, 0.33), 0.06, Look((0.5, 0.5, 0.5), PLAIN, label)),
    ]
    rider = _rider(rng, np.array([-0.28, seat + 0.08]), np.array([steer - 0.08, 0.34, seat + 0.28]),
                   np.array([0.0, 0.22, 0.3]), helmet=True)
    return parts + rider


def bicycle(rng: np.random.Generator) -> list[Solid]:
    length, radius = rng.uniform(1.6, 1.85), rng.uniform(0.31, 0.36)
    half, seat, label = length / 2, rng.uniform(0.88, 1.02), BICYCLE
    frame, dark = Look(paint(rng), CLOTH, label), Look(DARK, PLAIN, label)
    back, front, pedal = -half + radius, half - radius, np.sin(rng.uniform(0, 6.28)) * 0.16
    parts = [
        wheel(front, 0, radius, 0.05, label, hole=0.86), wheel(back, 0, radius, 0.05, label, hole=0.86),
        wheel(front, 0, 0.02, 0.12, label), wheel(back, 0, 0.02, 0.12, label),
        limb((back, 0, radius), (-0.08, 0, 0.3), 0.025, frame),
        limb((-0.08, 0, 0.3), (-0.22, 0, seat - 0.05), 0.03, frame),
        limb((-0.08, 0, 0.3), (front - 0.2, 0, seat - 0.15), 0.03, frame),
        limb((-0.2, 0, seat - 0.12), (front - 0.2, 0, seat - 0.1), 0.03, frame),
        limb((back, 0, radius), (-0.2, 0, seat - 0.12), 0.02, frame),
        limb((front, 0, radius), (front - 0.22, 0, seat + 0.08), 0.025, frame),
        limb((front - 0.22, -0.3, seat + 0.08), (front - 0.22, 0.3, seat + 0.08), 0.02, dark),
        block((-0.36, -0.1), (-0.09, 0.09), (seat - 0.06, seat), dark),
        block((front - 0.18, front - 0.1), (-0.05, 0.05), (seat - 0.1, seat), Look(WHITE, LAMP, label)),
        block((back - 0.12, back - 0.08), (-0.05, 0.05), (2 * radius, 2 * radius + 0.1), Look(RED, LAMP, label)),
    ]
    for angle in np.arange(4) * np.pi / 4:
        tip = 0.88 * radius * np.array([np.cos(angle), 0, np.sin(angle)])
        for x in (back, front):
            hub = np.array([x, 0, radius])
            parts.append(limb(tuple(hub - tip), tuple(hub + tip), 0.008, Look((0.4, 0.4, 0.4), PLAIN, label)))
    rider = _rider(rng, np.array([-0.2, seat + 0.1]), np.array([front - 0.26, 0.28, seat + 0.08]),
                   np.array([-0.05 + pedal, 0.12, 0.22]), helmet=bool(rng.random() < 0.5))
    return parts + rider
