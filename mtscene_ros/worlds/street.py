"""Objects beside the road: buildings, walls, fences, posts, signs, trees. World frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mtscene_ros.worlds.parts import (
    ALONG_X,
    BARS,
    BRICK,
    BUILDING,
    FACADE,
    FENCE,
    FOLIAGE,
    PLAIN,
    POLE,
    SIGN,
    SIGNAL,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
    VEGETATION,
    WALL,
    Look,
    Rgb,
    hue,
    rgb,
    turn,
)
from mtscene_ros.worlds.road import Road
from mtscene_ros.worlds.solid import BLOCK, CYLINDER, ELLIPSOID, Solid

ROAD_END_M = 150.0
POST_M = 0.3  # half side of the ground that a post or trunk occupies
_MASONRY = np.array(
    [[0.45, 0.42, 0.38], [0.5, 0.38, 0.25], [0.3, 0.14, 0.1], [0.6, 0.57, 0.5], [0.25, 0.25, 0.27]]
)
_SIGNS: list[Rgb] = [(0.5, 0.02, 0.02), (0.02, 0.1, 0.5), (0.8, 0.55, 0.03), (0.8, 0.8, 0.8)]
# Shares of building, wall, fence and vegetation in a row of each style.
_ROWS = {
    'city': (0.66, 0.12, 0.12, 0.1),
    'suburb': (0.3, 0.21, 0.25, 0.24),
    'green': (0.04, 0.16, 0.22, 0.58),
}


def _upright(
    look: Look,
    road: Road,
    s: float,
    d: float,
    half: tuple[float, float],
    low: float,
    high: float,
    kind: int = BLOCK,
    roof: float = 0.0,
) -> Solid:
    """Creates an upright solid along the road: half extents along s and d, from low to high; roof:
    inset of the top."""
    x, y, heading = road.place(s, d)
    center, size = np.array([x, y, (low + high) / 2]), np.array([*half, (high - low) / 2])
    inset = (0.1, 0.1, roof) if roof else (0.0, 0.0, 0.0)
    return Solid(kind, center, size, turn(heading), inset, look=look)


def _masonry(rng: np.random.Generator) -> Rgb:
    if rng.random() < 0.25:
        return hue(rng, rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.6))
    base = _MASONRY[rng.integers(len(_MASONRY))]
    return rgb(base * rng.uniform(0.6, 1.25) * rng.normal(1, 0.05, 3))


def _leaf(rng: np.random.Generator) -> Rgb:
    green = np.array([0.09, 0.15, 0.04]) * rng.uniform(0.6, 1.6)
    return rgb(green * [rng.uniform(0.7, 2.0), 1, rng.uniform(0.6, 1.3)])


def tree(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    height, crown = rng.uniform(4, 11), rng.uniform(1.0, 2.6)
    stem, thick = max(2.0, rng.uniform(0.25, 0.45) * height), rng.uniform(0.1, 0.25)
    bark = Look((0.12, 0.085, 0.06), FOLIAGE, VEGETATION, 0.3)
    solids = [_upright(bark, road, s, d, (thick, thick), 0, 0.75 * height, CYLINDER)]
    color, (x, y, _) = _leaf(rng), road.place(s, d)
    top, balls = max(0.85 * height, stem + 0.6 * crown), int(rng.integers(3, 6))
    levels = np.linspace(stem + 0.5 * crown, top, balls)
    for z in levels:
        at = np.array([x + rng.normal(0, 0.3 * crown), y + rng.normal(0, 0.3 * crown), z])
        half = crown * rng.uniform(0.6, 1.1, 3)
        # keeps clearance for cars below the crown
        half[2] = min(max(half[2], 0.8 * (levels[1] - levels[0])), z - 1.9)
        leaves = Look(color, FOLIAGE, VEGETATION, rng.uniform(0, 9))
        solids.append(Solid(ELLIPSOID, at, half, ragged=0.3, look=leaves))
    return solids


def bush(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    x, y, _ = road.place(s, d)
    half = rng.uniform(0.5, 1.4, 3)
    look = Look(_leaf(rng), FOLIAGE, VEGETATION, rng.uniform(0, 9))
    return [Solid(ELLIPSOID, np.array([x, y, half[2] / 2]), half, ragged=0.2, look=look)]


def lamp_post(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    grey = rng.uniform(0.08, 0.45)
    look = Look((grey, grey, grey * 1.02), PLAIN, POLE)
    height, thick = rng.uniform(4, 9), rng.uniform(0.05, 0.1)
    solids = [_upright(look, road, s, d, (thick, thick), 0, height, CYLINDER)]
    if rng.random() < 0.6:
        reach = rng.uniform(0.5, 1.2)
        over = d - np.sign(d) * reach
        solids.append(_upright(look, road, s, over, (0.12, reach), height - 0.1, height + 0.05))
    return solids


def traffic_light(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    """A signal on a post, sometimes with a second one above the lanes."""
    look, top = Look((0.15, 0.15, 0.15), PLAIN, POLE), rng.uniform(2.8, 3.6)
    head = Look((0.03, 0.035, 0.03), SIGNAL, TRAFFIC_LIGHT, float(rng.integers(3)))
    solids = [_upright(look, road, s, d, (0.07, 0.07), 0, top, CYLINDER)]
    heads = [(d, top - 0.9)]
    if rng.random() < 0.4:
        high, reach = rng.uniform(5, 5.8), rng.uniform(2.5, 4.5)
        middle, over = d - np.sign(d) * reach / 2, d - np.sign(d) * reach
        solids = [
            _upright(look, road, s, d, (0.09, 0.09), 0, high, CYLINDER),
            _upright(look, road, s, middle, (0.06, reach / 2), high - 0.1, high),
        ]
        heads.append((over, high - 0.6))
    return solids + [
        _upright(head, road, s - 0.2, at, (0.13, 0.16), low, low + 0.95) for at, low in heads
    ]


def sign(rng: np.random.Generator, road: Road, s: float, d: float) -> list[Solid]:
    grey, low = rng.uniform(0.2, 0.5), rng.uniform(1.9, 2.6)
    look = Look(_SIGNS[int(rng.integers(4))], SIGN, TRAFFIC_SIGN, rng.uniform(0, 1))
    post, size = Look((grey, grey, grey), PLAIN, POLE), rng.uniform(0.28, 0.45)
    stand = _upright(post, road, s, d, (0.035, 0.035), 0, low + size, CYLINDER)
    if rng.random() < 0.5:
        x, y, heading = road.place(s - 0.07, d)
        center, half = np.array([x, y, low + size]), np.array([size, size, 0.015])
        return [stand, Solid(CYLINDER, center, half, turn(heading) @ ALONG_X, look=look)]
    top = low + size * rng.uniform(1, 2.4)
    return [stand, _upright(look, road, s - 0.07, d, (0.015, size), low, top)]


def _building(
    rng: np.random.Generator,
    road: Road,
    s: float,
    length: float,
    side: int,
    front: float,
    tall: bool,
) -> list[Solid]:
    """A house around s whose front is `front` metres from the road's centre line."""
    depth, height = rng.uniform(8, 16), rng.uniform(8, 30) if tall else rng.uniform(5, 11)
    look = Look(_masonry(rng), FACADE, BUILDING, rng.uniform(0, 1))
    bow = abs(road.curvature) * length**2 / 8
    d = road.sign(side) * (front + rng.uniform(0, 1.5) + depth / 2 + bow)
    solids = [_upright(look, road, s, d, (length / 2 - 0.1, depth / 2), 0, height)]
    if height < 11 and rng.random() < 0.6:
        tiles, half = Look(_masonry(rng), BRICK, BUILDING), (length / 2, depth / 2)
        ridge = depth / 2 - 0.1
        solids.append(_upright(tiles, road, s, d, half, height, height + 2.5, roof=ridge))
    return solids


def _strip(
    look: Look, road: Road, start: float, stop: float, d: float, height: float, half: float
) -> list[Solid]:
    """A wall or fence that follows the road, in pieces of at most 8 m on bends."""
    longest = 8 if road.curvature else 40
    ends = np.linspace(start, stop, int(np.ceil((stop - start) / longest)) + 1)
    return [
        _upright(look, road, float(a + b) / 2, d, (float(b - a) / 2, half), 0, height)
        for a, b in pairwise(ends)
    ]


def _row(rng: np.random.Generator, road: Road, side: int, first_m: float) -> list[Solid]:
    """Everything behind one pavement, from s = -15 to the end of the road, leaving a crossing road
    free."""
    style = str(rng.choice(['city', 'suburb', 'green'], p=[0.45, 0.35, 0.2]))
    front = first_m + rng.uniform(0.2, 1 if style == 'city' else 7)
    edge_d, gap = road.sign(side) * (front + 0.3), road.crossing_m
    s, solids = -15.0, list[Solid]()
    while s < ROAD_END_M:
        what = int(rng.choice(4, p=_ROWS[style]))
        length = rng.uniform(7, 28) if what == 0 else rng.uniform(6, 18)
        stop = s + length
        if gap is not None and s < gap[0] + gap[1] + 3 and stop > gap[0] - gap[1] - 3:
            s = gap[0] + gap[1] + 3.5
            continue
        if what == 0:
            solids += _building(rng, road, s + length / 2, length, side, front, style == 'city')
        elif what == 1:
            height, look = rng.uniform(1.0, 2.8), Look(_masonry(rng), BRICK, WALL)
            solids += _strip(look, road, s, stop, edge_d, height, 0.15)
        elif what == 2:
            look = Look(hue(rng, 0.3, rng.uniform(0.05, 0.5)), BARS, FENCE, rng.uniform(0, 1))
            solids += _strip(look, road, s, stop, edge_d, rng.uniform(0.8, 1.9), 0.04)
        else:
            for at in np.arange(s + 1.5, stop - 1.5, rng.uniform(2.5, 5)):
                grow = tree if rng.random() < 0.55 else bush
                d = road.sign(side) * (front + rng.uniform(1.5, 7))
                solids += grow(rng, road, float(at), d)
        s = stop + rng.uniform(0, 2 if style == 'city' else 5)
    return solids


def furniture(rng: np.random.Generator, road: Road) -> list[tuple[float, float, list[Solid]]]:
    """Slender objects at the kerbs: s, d, solids."""
    items = []
    for side in (0, 1):
        s, spacing = rng.uniform(3, 12), rng.uniform(5, 18)
        makers = [tree, lamp_post, sign]
        if rng.random() >= 0.5 or road.pavement_m[side] <= 1.8:
            makers = [lamp_post, sign]
        while s < 100:
            d = road.sign(side) * (road.edge_m(side) + rng.uniform(0.45, 0.8))
            make = makers[int(rng.integers(len(makers)))]
            if road.crossing_m is None or abs(s - road.crossing_m[0]) > road.crossing_m[1] + 1:
                items.append((s, d, make(rng, road, s, d)))
            s += spacing * rng.uniform(0.6, 1.4)
        if road.crossing_m is not None and rng.random() < 0.75:
            at = road.crossing_m[0] - road.crossing_m[1] - 0.6
            d = road.sign(side) * (road.edge_m(side) + 0.6)
            items.append((at, d, traffic_light(rng, road, at, d)))
    return items


def surroundings(rng: np.random.Generator, road: Road) -> list[Solid]:
    """The rows on both sides, and the backdrop that closes the view in the distance."""
    solids = []
    for side in (0, 1):
        first = road.edge_m(side) + max(road.pavement_m[side], 1.5)
        if road.track_d_m is not None and np.sign(road.track_d_m) == road.sign(side):
            first = abs(road.track_d_m) + 3
        solids += _row(rng, road, side, first)
    for _ in range(int(rng.integers(0, 14))):
        at = np.array([rng.uniform(180, 260), rng.uniform(-140, 140), 0.0])
        half = np.array([rng.uniform(8, 30), rng.uniform(8, 40), rng.uniform(5, 20)])
        if rng.random() < 0.6:
            solids.append(Solid(ELLIPSOID, at, half, look=Look(_leaf(rng), FOLIAGE, VEGETATION)))
        else:
            at[2] = half[2]
            look = Look(_masonry(rng), FACADE, BUILDING, rng.uniform(0, 1))
            solids.append(Solid(BLOCK, at, half, look=look))
    return solids
