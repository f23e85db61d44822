"""Road users built of convex parts. Object frame: origin on the ground below the centre, x forward, y left, z up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.worlds import raycast
from mtscene_ros.worlds.raycast import BLOCK, CYLINDER, ELLIPSOID, Solid

F64 = NDArray[np.float64]
Rgb = tuple[float, float, float]
PLAIN, GROUND, FACADE, FOLIAGE, GLASS, LAMP, BARS, SIGN, WHEEL, BRICK, CLOTH, LIGHTS, COACH = range(13)

PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(11, 19)  # CITYSCAPES_19
DARK: Rgb = (0.03, 0.03, 0.035)
WHITE: Rgb = (0.9, 0.9, 0.85)
RED: Rgb = (0.6, 0.02, 0.02)
AMBER: Rgb = (0.9, 0.5, 0.05)
ALONG_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # turns a cylinder's axis to y
ALONG_X = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


@dataclass(frozen=True, slots=True)
class Look:
    """How a solid is shaded and what it counts as: linear RGB, material, CITYSCAPES_19 id, seed of its pattern."""

    color: Rgb
    material: int
    label: int
    seed: float = 0.0


def block(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], look: Look,
          inset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solid:
    """Box between the given bounds."""
    low, high = np.array([x, y, z]).T
    return Solid(BLOCK, (low + high) / 2, (high - low) / 2, inset_m=inset, look=look)


def ball(center: tuple[float, float, float], half: tuple[float, float, float], look: Look) -> Solid:
    return Solid(ELLIPSOID, np.array(center), np.array(half), look=look)


def limb(start: tuple[float, float, float], end: tuple[float, float, float], radius: float, look: Look,
         hole: float = 0.0) -> Solid:
    """Round rod between two points."""
    a, b = np.array(start), np.array(end)
    length = float(np.linalg.norm(b - a))
    z = (b - a) / length
    x = np.cross(z, [0.0, 1, 0] if abs(z[1]) < 0.9 else [1.0, 0, 0])
    x /= np.linalg.norm(x)
    frame = np.stack([x, np.cross(z, x), z], 1)
    return Solid(CYLINDER, (a + b) / 2, np.array([radius, radius, length / 2]), frame, look=look, hole=hole)


def wheel(x: float, y: float, radius: float, width: float, label: int, hole: float = 0.0) -> Solid:
    return limb((x, y - width / 2, radius), (x, y + width / 2, radius), radius, Look(DARK, WHEEL, label), hole)


def paint(rng: np.random.Generator) -> Rgb:
    """A car colour: mostly greys, often any colour, sometimes one of façades, foliage or asphalt."""
    if rng.random() < 0.5:
        grey = float(rng.choice([0.02, 0.06, 0.15, 0.35, 0.75])) * rng.uniform(0.8, 1.2)
        tint = rng.normal(1, 0.04, 3)
        return float(grey * tint[0]), float(grey * tint[1]), float(grey * tint[2])
    return hue(rng, rng.uniform(0.2, 0.95), rng.uniform(0.08, 0.7))


def hue(rng: np.random.Generator, saturation: float, value: float) -> Rgb:
    wheel_at = rng.uniform(0, 2 * np.pi)
    rgb = 0.5 + 0.5 * np.cos(wheel_at + np.array([0, 2.1, 4.2]))
    rgb = value * (1 - saturation * (1 - rgb))
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


def _lamps(length: float, width: float, z: float, size: float, label: int) -> list[Solid]:
    """White pair in front, red pair behind: what tells the heading."""
    half, out = length / 2, width / 2 - 0.08
    parts = []
    for side in (-1, 1):
        y = (side * out, side * (out - 1.6 * size))
        y = (min(y), max(y))
        parts.append(block((half - 0.15, half), y, (z, z + size), Look(WHITE, LAMP, label)))
        parts.append(block((-half, -half + 0.15), y, (z + 0.03, z + size * 1.3), Look(RED, LAMP, label)))
    return parts


def car(rng: np.random.Generator) -> list[Solid]:
    kind = rng.choice(['hatch', 'sedan', 'suv', 'van'], p=[0.35, 0.3, 0.25, 0.1])
    low, high, tall, hood, boot = {
        'hatch': (3.5, 4.3, 1.48, 0.25, 0.02), 'sedan': (4.3, 5.0, 1.45, 0.26, 0.16),
        'suv': (4.2, 4.9, 1.72, 0.24, 0.03), 'van': (4.6, 5.4, 1.98, 0.13, 0.0),
    }[str(kind)]
    length, height = rng.uniform(low, high), tall * rng.uniform(0.95, 1.06)
    width = rng.uniform(1.65, 1.95)
    color = Look(paint(rng), PLAIN, CAR)
    dark, half, side = Look(DARK, PLAIN, CAR), length / 2, width / 2
    belt, radius = height * rng.uniform(0.56, 0.62), rng.uniform(0.29, 0.36)
    body = half - 0.03
    front, rear = half - hood * length, -half + boot * length + 0.04
    glass = Look(color.color, GLASS, CAR)
    lean, back, tumble = (height - belt) * rng.uniform(0.9, 1.4), (height - belt) * rng.uniform(0.3, 1.0), 0.16
    parts = [
        block((-body, body), (-side, side), (0.35, belt - 0.14), color, (0.02, 0.02, 0.02)),
        block((-body, body), (-side + 0.02, side - 0.02), (belt - 0.14, belt), color, (0.18, 0.1, 0.06)),
        block((-half, half), (-side + 0.03, side - 0.03), (0.18, 0.42), dark if rng.random() < 0.4 else color),
        block((rear, front), (-side + 0.07, side - 0.07), (belt, height - 0.05), glass, (lean, back, tumble)),
        block((rear + back, front - lean), (-side + 0.06 + tumble, side - 0.06 - tumble), (height - 0.07, height), color),
        block((half - 0.1, half - 0.01), (-side * 0.5, side * 0.5), (0.4, belt - 0.2), dark),
        block((half - 0.02, half + 0.01), (-0.26, 0.26), (0.36, 0.47), Look(WHITE, PLAIN, CAR)),
        block((-half - 0.01, -half + 0.1), (-0.26, 0.26), (0.5, 0.61), Look(WHITE, PLAIN, CAR)),
    ]
    for s in (-1, 1):
        mirror = sorted([s * side, s * (side + 0.12)])
        parts.append(block((front - lean * 0.6, front - lean * 0.6 + 0.12), (mirror[0], mirror[1]), (belt, belt + 0.14), color))
        parts += [wheel(x, s * (side - 0.11), radius, 0.24, CAR) for x in (half * 0.62, -half * 0.6)]
    return parts + _lamps(length, width, belt - 0.3, 0.13, CAR)


def truck(rng: np.random.Generator) -> list[Solid]:
    length, width, height = rng.uniform(6.0, 11), rng.uniform(2.2, 2.55), rng.uniform(2.7, 3.9)
    half, side, cab = length / 2, width / 2, rng.uniform(1.7, 2.3)
    color, load = Look(paint(rng), PLAIN, TRUCK), Look(paint(rng), PLAIN, TRUCK, 1.0)
    dark, glass = Look(DARK, PLAIN, TRUCK), Look((0.04, 0.05, 0.06), PLAIN, TRUCK)
    top = min(height, rng.uniform(2.4, 3.0))
    radius, bed = rng.uniform(0.42, 0.52), half - cab - 0.3
    parts = [
        block((half - cab, half - 0.02), (-side, side), (0.5, top), color, (0.12, 0.0, 0.05)),
        block((half - 0.3, half), (-side, side), (0.3, 0.75), dark if rng.random() < 0.5 else color),
        block((half - 0.35, half - 0.03), (-side + 0.12, side - 0.12), (top * 0.55, top * 0.86), glass, (0.06, 0, 0.03)),
        block((half - 0.65 * cab, half - 0.25), (-side - 0.01, side + 0.01), (top * 0.57, top * 0.86), glass),
        block((-half + 0.05, half - 0.3), (-side * 0.7, side * 0.7), (0.5, 0.95), dark),
    ]
    cargo = rng.choice(['box', 'tank', 'open'], p=[0.7, 0.15, 0.15])
    if cargo == 'tank':
        tank = (height - 1.0) / 2
        parts.append(Solid(CYLINDER, np.array([(bed - half) / 2, 0, 1.0 + tank]),
                           np.array([tank, side, (bed + half) / 2]), ALONG_X, look=load))
    else:
        roof = height if cargo == 'box' else 1.7
        parts.append(block((-half, bed), (-side, side), (0.95, roof), load))
        parts.append(block((-half - 0.01, -half + 0.1), (-0.04, 0.04), (1.0, roof - 0.05), dark))
    axles = [half - cab * 0.55, -half + 1.0, *([-half + 2.1] if length > 8 else [])]
    parts += [wheel(x, s * (side - 0.16), radius, 0.3, TRUCK) for x in axles for s in (-1, 1)]
    return parts + _lamps(length, width, 0.72, 0.18, TRUCK)


def bus(rng: np.random.Generator) -> list[Solid]:
    length, width, height = rng.uniform(9, 13), rng.uniform(2.4, 2.6), rng.uniform(2.85, 3.4)
    half, side = length / 2, width / 2
    color, glass = Look(paint(rng), PLAIN, BUS), Look((0.04, 0.05, 0.06), COACH, BUS, rng.uniform(1.2, 1.9))
    dark, skirt = Look(DARK, PLAIN, BUS), Look(paint(rng), PLAIN, BUS)
    pane = Look((0.04, 0.05, 0.06), PLAIN, BUS)
    sill = height * rng.uniform(0.4, 0.48)
    parts = [
        block((-half + 0.03, half - 0.03), (-side, side), (0.35, height), color, (0.1, 0.03, 0.06)),
        block((-half + 0.5, half - 0.9), (-side - 0.015, side + 0.015), (sill, height * 0.84), glass),
        block((half - 0.5, half), (-side + 0.1, side - 0.1), (height * 0.36, height * 0.82), pane, (0.03, 0, 0.02)),
        block((half - 0.5, half), (-side + 0.4, side - 0.4), (height * 0.85, height * 0.95), Look(AMBER, LAMP, BUS)),
        block((-half, -half + 0.4), (-side + 0.35, side - 0.35), (height * 0.55, height * 0.82), pane),
        block((-half + 0.02, half - 0.01), (-side - 0.01, side + 0.01), (0.3, 0.7), skirt),
        block((half - 2.2, half - 1.0), (-side - 0.02, -side + 0.1), (0.4, height * 0.84), dark),
    ]
    for s in (-1, 1):
        arm = sorted([s * side, s * (side + 0.25)])
        parts.append(block((half - 0.1, half + 0.1), (arm[0], arm[1]), (height * 0.6, height * 0.76), dark))
        parts += [wheel(x, s * (side - 0.13), 0.48, 0.32, BUS) for x in (half - 2.7, -half + 2.6)]
    return parts + _lamps(length, width, 0.75, 0.2, BUS)


def train(rng: np.random.Generator) -> list[Solid]:
    length, width, height = rng.uniform(16, 26), rng.uniform(2.6, 3.0), rng.uniform(3.5, 4.1)
    half, side = length / 2, width / 2
    color, stripe = Look(paint(rng), PLAIN, TRAIN), Look(paint(rng), PLAIN, TRAIN)
    dark = Look(DARK, PLAIN, TRAIN)
    glass = Look((0.05, 0.06, 0.07), COACH, TRAIN, rng.uniform(1.3, 2.5))
    parts = [
        block((-half + 0.02, half - 0.02), (-side, side), (0.75, height - 0.25), color, (0.5, 0.02, 0.05)),
        block((-half + 0.3, half - 0.9), (-side + 0.25, side - 0.25), (height - 0.25, height), Look((0.2, 0.2, 0.2), PLAIN, TRAIN)),
        block((-half + 1, half - 2), (-side - 0.015, side + 0.015), (height * 0.5, height * 0.76), glass),
        block((-half + 0.03, half - 0.3), (-side - 0.01, side + 0.01), (height * 0.36, height * 0.44), stripe),
        block((half - 0.8, half - 0.1), (-side + 0.2, side - 0.2), (height * 0.52, height * 0.8), dark, (0.35, 0, 0)),
        block((-half, half - 0.1), (-side + 0.2, side - 0.2), (0.25, 0.8), dark),
    ]
    for end in (-0.68, 0.68):
        for s in (-1, 1):
            parts += [wheel(end * half + dx, s * (side - 0.5), 0.42, 0.15, TRAIN) for dx in (-0.9, 0.9)]
    return parts + _lamps(length, width, 1.1, 0.22, TRAIN)


def person(rng: np.random.Generator, stride: float | None = None) -> list[Solid]:
    """Walking or standing; stride: phase of the step in radians."""
    height = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.05, 1.45)
    swing = 0.45 * np.sin(rng.uniform(0, 2 * np.pi) if stride is None else stride) * (rng.random() < 0.8)
    skin = Look(tuple(np.array([0.75, 0.5, 0.38]) * rng.uniform(0.25, 1.0)), CLOTH, PERSON)
    top, legs = Look(paint(rng), CLOTH, PERSON), Look(paint(rng), CLOTH, PERSON)
    hair, wide = Look(paint(rng), CLOTH, PERSON), rng.uniform(0.85, 1.15) * height / 1.75
    hip, neck = 0.5 * height, 0.84 * height
    parts = [
        Solid(CYLINDER, np.array([0, 0, (hip + neck) / 2]), np.array([0.13 * wide, 0.2 * wide, (neck - hip) / 2 + 0.03]), look=top),
        ball((0.02, 0, neck + 0.085 * height), (0.1 * wide, 0.085 * wide, 0.075 * height), skin),
        ball((-0.02, 0, height - 0.06 * height), (0.1 * wide, 0.09 * wide, 0.06 * height), hair),
    ]
    for s in (-1, 1):
        foot = s * swing * hip * 0.9
        parts.append(limb((0, s * 0.09 * wide, hip), (foot, s * 0.1 * wide, 0.05), 0.075 * wide, legs))
        parts.append(block((foot - 0.09, foot + 0.17), (s * 0.1 * wide - 0.05, s * 0.1 * wide + 0.05), (0, 0.09), Look(DARK, CLOTH, PERSON)))
        hand = -s * swing * 0.6
        parts.append(limb((0, s * 0.22 * wide, neck - 0.03), (hand, s * 0.25 * wide, hip), 0.05 * wide, top))
        parts.append(ball((hand, s * 0.25 * wide, hip - 0.05), (0.06, 0.05, 0.07), skin))
    return parts


def _rider(rng: np.random.Generator, seat: F64, grip: F64, foot: F64, helmet: bool) -> list[Solid]:
    """Somebody seated: seat (x, z), grip (x, y, z), foot (x, y, z)."""
    top, legs = Look(paint(rng), CLOTH, RIDER), Look(paint(rng), CLOTH, RIDER)
    skin = Look(tuple(np.array([0.75, 0.5, 0.38]) * rng.uniform(0.25, 1.0)), CLOTH, RIDER)
    tall = rng.uniform(0.5, 0.6)
    shoulder = (seat[0] + 0.45 * tall * (grip[0] - seat[0]) + 0.05, seat[1] + tall)
    hat = Look(paint(rng), PLAIN if helmet else CLOTH, RIDER)
    head = (shoulder[0] + 0.06, 0.0, shoulder[1] + 0.2)
    spine = limb((seat[0], 0, seat[1] - 0.05), (shoulder[0], 0, shoulder[1] + 0.05), 0.15, top)
    parts = [
        replace(spine, half_m=spine.half_m * np.array([1.0, 1.3, 1.0])),
        ball(head, (0.12, 0.1, 0.13), skin),
        ball((head[0] - 0.02, 0, head[2] + 0.05), (0.14, 0.12, 0.11), hat),
    ]
    knee = np.array([(seat[0] + foot[0]) / 2 + 0.22, 0.16, (seat[1] + foot[2]) / 2 + 0.12])
    for s in (-1, 1):
        flip = np.array([1, s, 1])
        k, f, g = knee * flip, foot * flip, grip * flip
        parts.append(limb((seat[0], s * 0.1, seat[1]), tuple(k), 0.085, legs))
        parts.append(limb(tuple(k), tuple(f), 0.065, legs))
        parts.append(limb((shoulder[0], s * 0.2, shoulder[1]), tuple(g), 0.05, top))
    return parts
