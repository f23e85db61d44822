"""What stands beside the road: buildings, walls, fences, poles, lights, signs, trees. World frame."""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds.raycast import BLOCK, CYLINDER, ELLIPSOID, Solid
from mtscene_ros.worlds.road import Road
from mtscene_ros.worlds.vehicles import (
    ALONG_X, BARS, BRICK, F64, FACADE, FOLIAGE, LIGHTS, PLAIN, SIGN, Look, Rgb, hue,
)

BUILDING, WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION = range(2, 9)  # CITYSCAPES_19
ROAD_END_M = 150.0


def turn(heading: float) -> F64:
    c, s = np.cos(heading), np.sin(heading)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _upright(road: Road, s: float, d: float, z: tuple[float, float], half: tuple[float, float], kind: int,
             look: Look) -> Solid:
    x, y, heading = road.place(s, d)
    center = np.array([x, y, (z[0] + z[1]) / 2])
    return Solid(kind, center, np.array([half[0], half[1], (z[1] - z[0]) / 2]), turn(heading), look=look)


def masonry(rng: np.random.Generator) -> Rgb:
    base = np.array([[0.45, 0.42, 0.38], [0.5, 0.38, 0.25], [0.3, 0.14, 0.1], [0.6, 0.57, 0.5], [0.25, 0.25, 0.27]])
    if rng.random() < 0.25:
        return hue(rng, rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.6))
    color = base[rng.integers(len(base))] * rng.uniform(0.6, 1.25) * rng.normal(1, 0.05, 3)
    return float(color[0]), float(color[1]), float(color[2])


def leaf(rng: np.random.Generator) -> Rgb:
    color = np.array([0.09, 0.15, 0.04]) * rng.uniform(0.6, 1.6) * np.array([rng.uniform(0.7, 2.0), 1, rng.uniform(0.6, 1.3)])
    return float(color[0]), float(color[1]), float(color[2])


def tree(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    height, crown = rng.uniform(4, 11), rng.uniform(1.0, 2.6)
    stem = rng.uniform(0.25, 0.45) * height
    bark = Look((0.12, 0.085, 0.06), FOLIAGE, VEGETATION, 0.3)
    thick = rng.uniform(0.1, 0.25)
    solids = [_upright(road, s, d, (0, 0.75 * height), (thick, thick), CYLINDER, bark)]
    color, (x, y, _) = leaf(rng), road.place(s, d)
    levels = np.linspace(stem + 0.5 * crown, max(0.85 * height, stem + 0.6 * crown), int(rng.integers(3, 6)))
    for z in levels:
        at = np.array([x + rng.normal(0, 0.3 * crown), y + rng.normal(0, 0.3 * crown), z])
        half = crown * rng.uniform(0.6, 1.1, 3)
        half[2] = max(half[2], 0.8 * (levels[1] - levels[0]))
        look = Look(color, FOLIAGE, VEGETATION, rng.uniform(0, 9))
        solids.append(Solid(ELLIPSOID, at, half, ragged=0.3, look=look))
    return solids


def bush(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    x, y, _ = road.place(s, d)
    half = rng.uniform(0.5, 1.4, 3)
    return [Solid(ELLIPSOID, np.array([x, y, half[2] * 0.5]), half, ragged=0.2, look=Look(leaf(rng), FOLIAGE, VEGETATION, rng.uniform(0, 9)))]


def lamp_post(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    grey = float(rng.uniform(0.08, 0.45))
    look, height, thick = Look((grey, grey, grey * 1.02), PLAIN, POLE), rng.uniform(4, 9), rng.uniform(0.05, 0.1)
    solids = [_upright(road, s, d, (0, height), (thick, thick), CYLINDER, look)]
    if rng.random() < 0.6:
        reach = -np.sign(d) * rng.uniform(0.5, 1.2)
        solids.append(_upright(road, s, d + reach, (height - 0.1, height + 0.05), (0.12, abs(reach)), BLOCK, look))
    return solids


def traffic_light(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    look = Look((0.15, 0.15, 0.15), PLAIN, POLE)
    top = rng.uniform(2.8, 3.6)
    solids = [_upright(road, s, d, (0, top), (0.07, 0.07), CYLINDER, look)]
    lit = float(rng.integers(3))
    heads = [(d, top - 0.9)]
    if rng.random() < 0.4:
        high, over = rng.uniform(5, 5.8), d - np.sign(d) * rng.uniform(2.5, 4.5)
        solids[0] = _upright(road, s, d, (0, high), (0.09, 0.09), CYLINDER, look)
        solids.append(_upright(road, s, (d + over) / 2, (high - 0.1, high), (0.06, abs(d - over) / 2), BLOCK, look))
        heads.append((over, high - 0.6))
    for at, low in heads:
        head = Look((0.03, 0.035, 0.03), LIGHTS, TRAFFIC_LIGHT, lit)
        solids.append(_upright(road, s - 0.2, at, (low, low + 0.95), (0.13, 0.16), BLOCK, head))
    return solids


def sign(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    grey, low = float(rng.uniform(0.2, 0.5)), rng.uniform(1.9, 2.6)
    color: Rgb = [(0.5, 0.02, 0.02), (0.02, 0.1, 0.5), (0.8, 0.55, 0.03), (0.8, 0.8, 0.8)][int(rng.integers(4))]
    look = Look(color, SIGN, TRAFFIC_SIGN, rng.uniform(0, 1))
    size = rng.uniform(0.28, 0.45)
    solids = [_upright(road, s, d, (0, low + size), (0.035, 0.035), CYLINDER, Look((grey, grey, grey), PLAIN, POLE))]
    x, y, heading = road.place(s - 0.07, d)
    if rng.random() < 0.5:
        center = np.array([x, y, low + size])
        return [*solids, Solid(CYLINDER, center, np.array([size, size, 0.015]), turn(heading) @ ALONG_X, look=look)]
    return [*solids, _upright(road, s - 0.07, d, (low, low + size * rng.uniform(1, 2.4)), (0.015, size), BLOCK, look)]


def _row(rng: np.random.Generator, road: Road, side: int, first_m: float) -> list[Solid]:
    """Buildings, walls, fences and green behind one pavement, from s = -15 to the road's end."""
    style = rng.choice(['city', 'suburb', 'green'], p=[0.45, 0.35, 0.2])
    front, s, solids = first_m + rng.uniform(0.2, 1 if style == 'city' else 7), -15.0, []
    weights = {'city': [0.66, 0.12, 0.12, 0.1], 'suburb': [0.3, 0.21, 0.25, 0.24], 'green': [0.04, 0.16, 0.22, 0.58]}
    sign_d = road.sign(side)
    while s < ROAD_END_M:
        what = rng.choice(['building', 'wall', 'fence', 'green'], p=weights[str(style)])
        length = rng.uniform(7, 28) if what == 'building' else rng.uniform(6, 18)
        middle, stop = s + length / 2, s + length
        gap = road.crossing_m
        if gap is not None and s < gap[0] + gap[1] + 3 and stop > gap[0] - gap[1] - 3:
            s = stop if s > gap[0] + gap[1] else gap[0] + gap[1] + 3.5
            continue
        if what == 'building':
            depth, height = rng.uniform(8, 16), rng.uniform(5, 11) if style != 'city' else rng.uniform(8, 30)
            look = Look(masonry(rng), FACADE, BUILDING, rng.uniform(0, 1))
            d = sign_d * (front + rng.uniform(0, 1.5) + depth / 2 + abs(road.curvature) * length**2 / 8)
            solids.append(_upright(road, middle, d, (0, height), (length / 2 - 0.1, depth / 2), BLOCK, look))
            if height < 11 and rng.random() < 0.6:
                top = _upright(road, middle, d, (height, height + 2.5), (length / 2, depth / 2), BLOCK,
                               Look(masonry(rng), BRICK, BUILDING))
                solids.append(Solid(BLOCK, top.center_m, top.half_m, top.world_from_local, (0.1, 0.1, depth / 2 - 0.1), look=top.look))
        elif what == 'wall':
            solids += _strip(rng, road, s, stop, sign_d * (front + 0.3), rng.uniform(1.0, 2.8), Look(masonry(rng), BRICK, WALL))
        elif what == 'fence':
            look = Look(hue(rng, 0.3, rng.uniform(0.05, 0.5)), BARS, FENCE, rng.uniform(0, 1))
            solids += _strip(rng, road, s, stop, sign_d * (front + 0.3), rng.uniform(0.8, 1.9), look, 0.04)
        else:
            for at in np.arange(s + 1.5, stop - 1.5, rng.uniform(2.5, 5)):
                grow = tree if rng.random() < 0.55 else bush
                solids += grow(rng, road, float(at), sign_d * (front + rng.uniform(1.5, 7)))
        s = stop + rng.uniform(0, 2 if style == 'city' else 5)
    return solids


def _strip(rng: np.random.Generator, road: Road, start: float, stop: float, d: float, height: float, look: Look,
           half: float = 0.15) -> list[Solid]:
    """A wall or fence that follows the road in pieces of at most 8 m."""
    ends = np.linspace(start, stop, int(np.ceil((stop - start) / (8 if road.curvature else 40))) + 1)
    return [_upright(road, float(a + b) / 2, d, (0, height), (float(b - a) / 2, half), BLOCK, look)
            for a, b in zip(ends[:-1], ends[1:], strict=True)]


def furniture(rng: np.random.Generator, road: Road) -> list[tuple[float, float, float, list[Solid]]]:
    """Slender things at the kerbs: (s, d, radius on the ground, solids)."""
    items = []
    for side in (0, 1):
        s, spacing = rng.uniform(3, 12), rng.uniform(5, 18)
        trees = rng.random() < 0.5
        while s < 100:
            d = road.sign(side) * (road.edge_m(side) + rng.uniform(0.45, 0.8))
            make = rng.choice([tree, lamp_post, sign] if trees and road.pavement_m[side] > 1.8 else [lamp_post, sign])
            if road.crossing_m is None or abs(s - road.crossing_m[0]) > road.crossing_m[1] + 1:
                items.append((s, d, 0.3, make(rng, road, s, d)))
            s += spacing * rng.uniform(0.6, 1.4)
        if road.crossing_m is not None and rng.random() < 0.75:
            at = road.crossing_m[0] - road.crossing_m[1] - 0.6
            d = road.sign(side) * (road.edge_m(side) + 0.6)
            items.append((at, d, 0.3, traffic_light(rng, road, at, d)))
    return items


def surroundings(rng: np.random.Generator, road: Road) -> list[Solid]:
    """Rows on both sides and what closes the view far away."""
    solids = []
    for side in (0, 1):
        first = road.edge_m(side) + road.pavement_m[side]
        if road.track_d_m is not None and np.sign(road.track_d_m) == road.sign(side):
            first = abs(road.track_d_m) + 3
        solids += _row(rng, road, side, first)
    for _ in range(int(rng.integers(0, 14))):
        at = np.array([rng.uniform(180, 260), rng.uniform(-140, 140), 0.0])
        half = np.array([rng.uniform(8, 30), rng.uniform(8, 40), rng.uniform(5, 20)])
        if rng.random() < 0.6:
            solids.append(Solid(ELLIPSOID, at, half, look=Look(leaf(rng), FOLIAGE, VEGETATION)))
        else:
            at[2] = half[2]
            solids.append(Solid(BLOCK, at, half, look=Look(masonry(rng), FACADE, BUILDING, rng.uniform(0, 1))))
    return solids
