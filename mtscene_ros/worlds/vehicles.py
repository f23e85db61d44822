"""Cars, trucks, buses, trains. Object frame: x forward, y left, z up from the ground."""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds.parts import (
    ALONG_X,
    AMBER,
    BUS,
    CABIN,
    CAR,
    COACH,
    DARK,
    LAMP,
    PANE,
    PLAIN,
    TRAIN,
    TRUCK,
    WHITE,
    Look,
    box,
    lamps,
    paint,
    pair,
    slab,
    wheel,
)
from mtscene_ros.worlds.solid import CYLINDER, Solid

# Minimum and maximum length, height in metres; bonnet and boot as fractions of the length.
_CARS = {
    'hatch': (3.5, 4.3, 1.48, 0.25, 0.02),
    'sedan': (4.3, 5.0, 1.45, 0.26, 0.16),
    'suv': (4.2, 4.9, 1.72, 0.24, 0.03),
    'van': (4.6, 5.4, 1.98, 0.13, 0.0),
}


def car(rng: np.random.Generator) -> list[Solid]:
    kind = str(rng.choice(['hatch', 'sedan', 'suv', 'van'], p=[0.35, 0.3, 0.25, 0.1]))
    short, long, tall, hood, boot = _CARS[kind]
    length, height = rng.uniform(short, long), tall * rng.uniform(0.95, 1.06)
    width = rng.uniform(1.65, 1.95)
    color = Look(paint(rng), PLAIN, CAR)
    dark, plate, cabin = (
        Look(DARK, PLAIN, CAR),
        Look(WHITE, PLAIN, CAR),
        Look(color.color, CABIN, CAR),
    )
    h, w = length / 2, width / 2
    belt, radius = height * rng.uniform(0.56, 0.62), rng.uniform(0.29, 0.36)
    lean, back = (height - belt) * rng.uniform(0.9, 1.4), (height - belt) * rng.uniform(0.3, 1.0)
    front, rear, tumble = h - hood * length, -h + boot * length + 0.04, 0.16
    bumper = dark if rng.random() < 0.4 else color
    mirror = front - lean * 0.6
    return [
        slab(color, -h + 0.03, h - 0.03, w, 0.35, belt - 0.14, 0.02, 0.02, 0.02),
        slab(color, -h + 0.03, h - 0.03, w - 0.02, belt - 0.14, belt, 0.18, 0.1, 0.06),
        slab(bumper, -h, h, w - 0.03, 0.18, 0.42),
        slab(cabin, rear, front, w - 0.07, belt, height - 0.05, lean, back, tumble),
        slab(color, rear + back, front - lean, w - 0.06 - tumble, height - 0.07, height),
        slab(dark, h - 0.1, h - 0.01, w * 0.5, 0.4, belt - 0.2),
        slab(plate, h - 0.02, h + 0.01, 0.26, 0.36, 0.47),
        slab(plate, -h - 0.01, -h + 0.1, 0.26, 0.5, 0.61),
        *pair(color, mirror, mirror + 0.12, w, w + 0.12, belt, belt + 0.14),
        *(
            wheel(x, y, radius, 0.24, CAR)
            for x in (h * 0.62, -h * 0.6)
            for y in (0.11 - w, w - 0.11)
        ),
        *lamps(length, width, belt - 0.3, 0.13, CAR),
    ]


def truck(rng: np.random.Generator) -> list[Solid]:
    length, width, height = rng.uniform(6.0, 11), rng.uniform(2.2, 2.55), rng.uniform(2.7, 3.9)
    h, w, cab = length / 2, width / 2, rng.uniform(1.7, 2.3)
    color, load = Look(paint(rng), PLAIN, TRUCK), Look(paint(rng), PLAIN, TRUCK)
    dark, pane = Look(DARK, PLAIN, TRUCK), Look(PANE, PLAIN, TRUCK)
    top, radius = min(height, rng.uniform(2.4, 3.0)), rng.uniform(0.42, 0.52)
    bed = h - cab - 0.3
    bumper = dark if rng.random() < 0.5 else color
    parts = [
        slab(color, h - cab, h - 0.02, w, 0.5, top, 0.12, 0.0, 0.05),
        slab(bumper, h - 0.3, h, w, 0.3, 0.75),
        slab(pane, h - 0.35, h - 0.03, w - 0.12, top * 0.55, top * 0.86, 0.06, 0, 0.03),
        slab(pane, h - 0.65 * cab, h - 0.25, w + 0.01, top * 0.57, top * 0.86),
        slab(dark, -h + 0.05, h - 0.3, w * 0.7, 0.5, 0.95),
    ]
    cargo = rng.choice(['box', 'tank', 'open'], p=[0.7, 0.15, 0.15])
    if cargo == 'tank':
        half = np.array([(height - 1.0) / 2, w, (bed + h) / 2])
        center = np.array([(bed - h) / 2, 0, 1.0 + half[0]])
        parts.append(Solid(CYLINDER, center, half, ALONG_X, look=load))
    else:
        roof = height if cargo == 'box' else 1.7
        parts.append(slab(load, -h, bed, w, 0.95, roof))
        parts.append(slab(dark, -h - 0.01, -h + 0.1, 0.04, 1.0, roof - 0.05))
    axles = [h - cab * 0.55, 1.0 - h, *([2.1 - h] if length > 8 else [])]
    parts += [wheel(x, y, radius, 0.3, TRUCK) for x in axles for y in (0.16 - w, w - 0.16)]
    return parts + lamps(length, width, 0.72, 0.18, TRUCK)


def bus(rng: np.random.Generator) -> list[Solid]:
    length, width, height = rng.uniform(9, 13), rng.uniform(2.4, 2.6), rng.uniform(2.85, 3.4)
    h, w = length / 2, width / 2
    color, windows = Look(paint(rng), PLAIN, BUS), Look(PANE, COACH, BUS, rng.uniform(1.2, 1.9))
    skirt, dark, pane = (
        Look(paint(rng), PLAIN, BUS),
        Look(DARK, PLAIN, BUS),
        Look(PANE, PLAIN, BUS),
    )
    sill = height * rng.uniform(0.4, 0.48)
    return [
        slab(color, -h + 0.03, h - 0.03, w, 0.35, height, 0.1, 0.03, 0.06),
        slab(windows, -h + 0.5, h - 0.9, w + 0.015, sill, height * 0.84),
        slab(pane, h - 0.5, h, w - 0.1, height * 0.36, height * 0.82, 0.03, 0, 0.02),
        slab(Look(AMBER, LAMP, BUS), h - 0.5, h, w - 0.4, height * 0.85, height * 0.95),
        slab(pane, -h, -h + 0.4, w - 0.35, height * 0.55, height * 0.82),
        slab(skirt, -h + 0.02, h - 0.01, w + 0.01, 0.3, 0.7),
        box(dark, h - 2.2, h - 1.0, -w - 0.02, 0.1 - w, 0.4, height * 0.84),
        *pair(dark, h - 0.1, h + 0.1, w, w + 0.25, height * 0.6, height * 0.76),
        *(wheel(x, y, 0.48, 0.32, BUS) for x in (h - 2.7, 2.6 - h) for y in (0.13 - w, w - 0.13)),
        *lamps(length, width, 0.75, 0.2, BUS),
    ]


def train(rng: np.random.Generator) -> list[Solid]:
    length, width, height = rng.uniform(16, 26), rng.uniform(2.6, 3.0), rng.uniform(3.5, 4.1)
    h, w = length / 2, width / 2
    color, stripe = Look(paint(rng), PLAIN, TRAIN), Look(paint(rng), PLAIN, TRAIN)
    roof, dark = Look((0.2, 0.2, 0.2), PLAIN, TRAIN), Look(DARK, PLAIN, TRAIN)
    windows = Look(PANE, COACH, TRAIN, rng.uniform(1.3, 2.5))
    axles = [end * h + dx for end in (-0.68, 0.68) for dx in (-0.9, 0.9)]
    return [
        slab(color, -h + 0.02, h - 0.02, w, 0.75, height - 0.25, 0.5, 0.02, 0.05),
        slab(roof, -h + 0.3, h - 0.9, w - 0.25, height - 0.25, height),
        slab(windows, -h + 1, h - 2, w + 0.015, height * 0.5, height * 0.76),
        slab(stripe, -h + 0.03, h - 0.3, w + 0.01, height * 0.36, height * 0.44),
        slab(dark, h - 0.8, h - 0.1, w - 0.2, height * 0.52, height * 0.8, 0.35, 0, 0),
        slab(dark, -h, h - 0.1, w - 0.2, 0.25, 0.8),
        *(wheel(x, y, 0.42, 0.15, TRAIN) for x in axles for y in (0.5 - w, w - 0.5)),
        *lamps(length, width, 1.1, 0.22, TRAIN),
    ]
