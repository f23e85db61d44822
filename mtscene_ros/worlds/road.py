"""The road: an arc with lanes, kerbs, pavements and markings. s runs along it, d to its left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
ASPHALT, MARK, PAVEMENT, KERB, TERRAIN, TRACK = range(6)
ZONE_LABELS = np.array([0, 0, 1, 1, 9, 9], np.uint8)  # ids of CITYSCAPES_19


@dataclass(frozen=True, slots=True)
class Road:
    """A road whose traffic keeps to the side -hand of d (hand = 1: right-hand traffic).

    curvature: 1/m, positive to the left; lanes, parking_m, pavement_m: number or width on our side
    and on the opposite side; crossing_m: s and half width of a crossing road; track_d_m: d of a
    railway track; zebra: zebra crossing before the crossing road; dash_m: period and length of
    dashes; centre_style: dashed, solid or double; paved: no soil beside the road; grass: how green
    the soil is.
    """

    curvature: float
    hand: int
    lanes: tuple[int, int]
    lane_m: float
    parking_m: tuple[float, float]
    pavement_m: tuple[float, float]
    crossing_m: tuple[float, float] | None
    track_d_m: float | None
    zebra: bool
    dash_m: tuple[float, float]
    centre_style: int
    edge_lines: bool
    paved: bool
    grass: float

    def edge_m(self, side: int) -> float:
        """Returns |d| of the kerb; side 0 is ours, 1 the opposite one."""
        return self.lanes[side] * self.lane_m + self.parking_m[side]

    def sign(self, side: int) -> int:
        return -self.hand if side == 0 else self.hand

    def place(self, s: float, d: float) -> tuple[float, float, float]:
        """Returns world x and y of (s, d) and the road's heading there."""
        k = self.curvature
        if abs(k) < 1e-6:
            return s, d, 0.0
        angle = k * s
        return (
            (1 / k - d) * float(np.sin(angle)),
            (1 - (1 - d * k) * float(np.cos(angle))) / k,
            angle,
        )

    def locate(self, x: F64, y: F64) -> tuple[F64, F64]:
        """Maps world x, y to s, d."""
        k = self.curvature
        if abs(k) < 1e-6:
            return x, y
        return np.arctan2(x * k, 1 - y * k) / k, (1 - np.hypot(x * k, 1 - y * k)) / k

    def zones(self, s: F64, d: F64) -> NDArray[np.int64]:
        """Returns the zone at (s, d): ASPHALT, MARK, PAVEMENT, KERB, TERRAIN or TRACK."""
        ours = d * self.hand < 0
        across = np.abs(d)
        edge = np.where(ours, self.edge_m(0), self.edge_m(1))
        beyond = edge + np.where(ours, self.pavement_m[0], self.pavement_m[1])
        zone = np.where(across < beyond, PAVEMENT, PAVEMENT if self.paved else TERRAIN)
        zone[(across < edge + 0.14) & (beyond > edge)] = KERB
        zone[across < edge] = ASPHALT
        if self.track_d_m is not None:
            zone[np.abs(d - self.track_d_m) < 1.9] = TRACK
        marks = self._marks(s, across, ours)
        if self.crossing_m is not None:
            off = np.abs(s - self.crossing_m[0])
            half = self.crossing_m[1]
            zone[(off < half + 2) & (zone == TERRAIN)] = PAVEMENT
            zone[off < half] = ASPHALT
            marks &= off > half + 1
            if self.zebra:
                stripes = np.mod(d, 1.1) < 0.55
                marks = np.where((off > half + 1) & (off < half + 4.5), stripes, marks)
        zone[marks & (zone == ASPHALT) & (across < edge)] = MARK
        return zone

    def _marks(self, s: F64, across: F64, ours: NDArray[np.bool_]) -> NDArray[np.bool_]:
        period, dash = self.dash_m
        dashed = np.mod(s, period) < dash
        if self.centre_style == 0:
            marks = (across < 0.07) & dashed
        elif self.centre_style == 1:
            marks = across < 0.07
        else:
            marks = (across > 0.07) & (across < 0.2)
        lane = across / self.lane_m
        number = np.round(lane)
        on_line = (np.abs(lane - number) * self.lane_m < 0.07) & (number > 0)
        limit = np.where(ours, self.lanes[0], self.lanes[1])
        marks |= on_line & (number < limit) & dashed
        if self.edge_lines:
            marks |= on_line & (number == limit)
        return np.asarray(marks)


def random_road(rng: np.random.Generator) -> Road:
    lanes = (int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2])))
    lane = rng.uniform(2.9, 3.8)
    parking = tuple(float(2.3 * (rng.random() < 0.45)) for _ in range(2))
    pavement = tuple(float(rng.uniform(1.5, 4.5) * (rng.random() < 0.85)) for _ in range(2))
    hand = 1 if rng.random() < 0.8 else -1
    track = None
    if rng.random() < 0.2:
        side = int(rng.integers(2))
        gap = lanes[side] * lane + parking[side] + pavement[side] + rng.uniform(2.5, 5)
        track = float((-hand if side == 0 else hand) * gap)
    crossing = (rng.uniform(14, 70), rng.uniform(3, 6.5)) if rng.random() < 0.4 else None
    return Road(
        curvature=float(np.clip(rng.normal(0, 0.004), -0.008, 0.008) * (rng.random() < 0.5)),
        hand=hand,
        lanes=lanes,
        lane_m=lane,
        parking_m=(parking[0], parking[1]),
        pavement_m=(pavement[0], pavement[1]),
        crossing_m=crossing,
        track_d_m=track,
        zebra=bool(rng.random() < 0.5),
        dash_m=(rng.uniform(6, 14), rng.uniform(2, 5)),
        centre_style=int(rng.integers(3)),
        edge_lines=bool(rng.random() < 0.6),
        paved=bool(rng.random() < 0.3),
        grass=float(rng.random()),
    )
