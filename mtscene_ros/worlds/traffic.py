"""Road users: where they are, where they move, and how collisions are avoided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtscene_ros.worlds import parts as look
from mtscene_ros.worlds import riders, vehicles
from mtscene_ros.worlds.body import Body, random_body, walking_solids
from mtscene_ros.worlds.parts import centred, placed, turn
from mtscene_ros.worlds.road import Road
from mtscene_ros.worlds.solid import BLOCK, F64, Solid

CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE, PERSON = range(7)  # indices into classes.DRIVE_BOXES
_BUILD: dict[int, Callable[[np.random.Generator], list[Solid]]] = {
    CAR: vehicles.car,
    TRUCK: vehicles.truck,
    BUS: vehicles.bus,
    TRAIN: vehicles.train,
    MOTORCYCLE: riders.motorcycle,
    BICYCLE: riders.bicycle,
}
_FREQUENCY = (0.37, 0.09, 0.08, 0.0, 0.11, 0.13, 0.22)
MAX_ACTORS = 12
EGO_HALF_M = (3.0, 1.1)


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A road user at (s, d), turned by `turned` rad from the road's heading, on a straight course.

    parts: solids relative to the ground point below the centre; half_m: half the size of the tight
    box; body: of a pedestrian, whose parts and box change with every step.
    """

    kind: int
    parts: list[Solid]
    half_m: F64
    s: float
    d: float
    turned: float
    speed_mps: float
    body: Body | None = None

    def at(self, road: Road, time_s: float, owner: int) -> tuple[list[Solid], Solid]:
        """Returns the solids in the world frame and the tight box as a block."""
        step = self.speed_mps * time_s
        s, d = self.s + step * np.cos(self.turned), self.d + step * np.sin(self.turned)
        x, y, heading = road.place(s, d)
        turned, origin = turn(heading + self.turned), np.array([x, y, 0.0])
        own, half_m = self.parts, self.half_m
        if self.body is not None and step:
            own, half_m = centred(walking_solids(self.body, step))
        parts = placed(own, turned, origin, owner)
        return parts, Solid(BLOCK, origin + half_m * [0, 0, 1], half_m, turned)


@dataclass(frozen=True, slots=True)
class Claim:
    """Ground area that an object occupies: centre s, d; half extents; velocity along s and d."""

    s: float
    d: float
    half_s: float
    half_d: float
    velocity: tuple[float, float] = (0.0, 0.0)

    def overlaps(self, other: Claim, times_s: F64) -> bool:
        along = self.s - other.s + times_s * (self.velocity[0] - other.velocity[0])
        across = self.d - other.d + times_s * (self.velocity[1] - other.velocity[1])
        close = np.abs(along) < self.half_s + other.half_s + 0.3
        close &= np.abs(across) < self.half_d + other.half_d + 0.12
        return bool(close.any())


def random_traffic(
    rng: np.random.Generator, road: Road, taken: list[Claim], ego_mps: float, duration_s: float
) -> list[Actor]:
    """Draws up to 12 road users that keep clear of each other and of `taken` for duration_s
    seconds; 0 means a still image."""
    actors: list[Actor] = []
    taken = list(taken)
    times_s = np.arange(0, duration_s + 0.2, 0.2) if duration_s else np.zeros(1)
    wanted = int(rng.integers(0, 16))
    speeds = [ego_mps * rng.uniform(0.6, 1.2) if duration_s else 0.0 for _ in range(2)]
    queue = [int(k) for k in rng.choice(7, wanted, p=_FREQUENCY)]
    if road.track_d_m is not None and rng.random() < 0.7:
        queue.append(TRAIN)
    for kind in queue:
        body = random_body(rng, look.PERSON) if kind == PERSON else None
        parts, half_m = centred(walking_solids(body, 0.0) if body else _BUILD[kind](rng))
        for _ in range(8 if len(actors) < MAX_ACTORS else 0):
            s, d, turned, speed = _random_placement(
                rng, road, kind, half_m[1], speeds, duration_s > 0
            )
            c, n = np.cos(turned), np.sin(turned)
            half_s = abs(c) * half_m[0] + abs(n) * half_m[1]
            half_d = abs(n) * half_m[0] + abs(c) * half_m[1] + abs(road.curvature) * half_s**2
            claim = Claim(s, d, half_s, half_d, (speed * c, speed * n))
            if s - half_s > 4.0 and not any(claim.overlaps(t, times_s) for t in taken):
                taken.append(claim)
                actors.append(Actor(kind, parts, half_m, s, d, turned, speed, body))
                break
    return actors


def _random_placement(
    rng: np.random.Generator,
    road: Road,
    kind: int,
    half_width_m: float,
    speeds: list[float],
    moving: bool,
) -> tuple[float, float, float, float]:
    """Draws a position for a road user: s, d, heading relative to the road, speed in m/s."""
    s = float(4 + (76 if kind <= TRAIN else 54) * rng.random() ** 1.5)
    side = int(rng.integers(2))
    sign, edge = road.sign(side), road.edge_m(side)
    along = 0.0 if side == 0 else np.pi
    askew = along + rng.normal(0, 0.03)
    if kind == TRAIN and road.track_d_m is not None:
        s, turned = rng.uniform(20, 80), 0.0 if rng.random() < 0.5 else np.pi
        return s, road.track_d_m, turned, rng.uniform(5, 20) * moving
    if kind == PERSON:
        return _pedestrian_placement(rng, road, side, s, moving)
    parkable = road.parking_m[side] > 0 and half_width_m < 1.15 and kind in (CAR, MOTORCYCLE)
    if parkable and rng.random() < 0.5:
        return s, sign * (edge - half_width_m - 0.15), askew, 0.0
    if road.crossing_m is not None and rng.random() < 0.25 and not moving:
        way = int(rng.choice([-1, 1]))
        s = road.crossing_m[0] + way * road.crossing_m[1] * 0.5 + rng.normal(0, 0.2)
        return s, rng.uniform(-12, 12), way * np.pi / 2 + rng.normal(0, 0.1), 0.0
    if kind == BICYCLE and rng.random() < 0.6:
        d = sign * (road.lanes[side] * road.lane_m - rng.uniform(0.4, 0.8))
    else:
        d = sign * (int(rng.integers(road.lanes[side])) + 0.5) * road.lane_m + rng.normal(0, 0.15)
    return s, d, along if moving else askew, speeds[side]


def _pedestrian_placement(
    rng: np.random.Generator, road: Road, side: int, s: float, moving: bool
) -> tuple[float, float, float, float]:
    """Draws a position for a pedestrian: on a pavement, or, in a still image, crossing the
    road."""
    speed = rng.uniform(0.6, 1.7) * moving
    if rng.random() < 0.25 and not moving:
        d = rng.uniform(-1, 1) * min(road.edge_m(0), road.edge_m(1))
        return s, d, int(rng.choice([-1, 1])) * np.pi / 2 + rng.normal(0, 0.3), 0.0
    room = max(road.pavement_m[side], 1.2)
    d = road.sign(side) * (road.edge_m(side) + rng.uniform(0.4, max(room - 0.3, 0.5)))
    turned = int(rng.integers(2)) * np.pi + rng.normal(0, 0.02 if moving else 0.5)
    return s, d, turned, speed
