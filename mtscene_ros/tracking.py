"""Stable ids for 3D boxes: a constant-velocity Kalman filter per object, and the assignment of
boxes to objects that costs least (Weng et al., AB3DMOT, IROS 2020, with centre distance for IoU).

In the odometry frame where that is known: there parked cars stand still, whatever the camera does.
In the camera frame otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Boxes3D

F64 = NDArray[np.float64]
FAR = 1e6  # cost of a pair that must not be


class TrackingError(RuntimeError):
    """Boxes cannot be tracked here; one sentence."""


def check_installed() -> None:
    """Raises TrackingError where scipy is missing."""
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise TrackingError(
            f'tracking.enabled needs scipy ({error}); install python3-scipy (or `pip install '
            'scipy`), or set tracking.enabled: false.'
        ) from error


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """gate: how many standard deviations a box may lie from where it was expected; max_age_s: an
    object that was not seen for longer is forgotten; hits: boxes before an id is given out;
    acceleration_mps2: what objects do beyond constant velocity; measurement: standard deviation of
    a centre, metres at once plus a share of its distance, for depth from one camera."""

    gate: float = 4.0
    max_age_s: float = 1.0
    hits: int = 2
    acceleration_mps2: float = 3.0
    measurement_m: float = 0.3
    measurement_share: float = 0.04


@dataclass(slots=True, eq=False)
class Track:
    """mean: (6,) position m, velocity m/s; covariance: (6, 6)."""

    number: int
    class_id: int
    mean: F64
    covariance: F64
    seen_ns: int
    hits: int = 1


@dataclass(slots=True)
class Tracker:
    """Of one camera."""

    options: TrackingOptions = TrackingOptions()
    tracks: list[Track] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _last_ns: int = 0
    _odometry_from_optical: F64 | None = None

    def update(
        self, boxes: Boxes3D, stamp_ns: int, odometry_from_optical: F64 | None = None
    ) -> Boxes3D:
        """The same boxes with ids ('' for an object that is too new).

        odometry_from_optical: (4, 4), of one frame; None: the last one holds, or the camera's own
        frame before the first. A stamp that goes back forgets everything.
        """
        pose = self._pose(odometry_from_optical)
        oldest_ns = stamp_ns - int(self.options.max_age_s * 1e9)
        is_back = stamp_ns < self._last_ns
        self.tracks = [t for t in self.tracks if not is_back and t.seen_ns >= oldest_ns]
        dt_s = (stamp_ns - self._last_ns) * 1e-9 if self.tracks else 0.0
        self._last_ns = stamp_ns
        centers_m = boxes.centers_m @ pose[:3, :3].T + pose[:3, 3]
        range_m = np.linalg.norm(boxes.centers_m, axis=1)
        deviations_m = self.options.measurement_m + self.options.measurement_share * range_m
        for track in self.tracks:
            predict(track, dt_s, self.options.acceleration_mps2)
        matched = self._assigned(boxes, centers_m, deviations_m)
        ids = []
        for i in range(len(boxes)):
            track = matched.get(i) or self._born(int(boxes.class_ids[i]), centers_m[i], stamp_ns)
            if i in matched:
                correct(track, centers_m[i], float(deviations_m[i]))
                track.hits, track.seen_ns = track.hits + 1, stamp_ns
            ids.append(str(track.number) if track.hits >= self.options.hits else '')
        return replace(boxes, ids=tuple(ids))

    def _pose(self, odometry_from_optical: F64 | None) -> F64:
        if odometry_from_optical is not None:
            if self._odometry_from_optical is None:
                self.tracks.clear()  # they lie in the camera's frame
            self._odometry_from_optical = odometry_from_optical
        # Odometry that is late for a frame must not cost the ids: the camera stands still for it.
        return np.eye(4) if self._odometry_from_optical is None else self._odometry_from_optical

    def _assigned(self, boxes: Boxes3D, centers_m: F64, deviations_m: F64) -> dict[int, Track]:
        """Box → track; pairs beyond the gate or of different classes stay apart."""
        if not self.tracks or not len(boxes):
            return {}
        cost = np.full((len(boxes), len(self.tracks)), FAR)
        for j, track in enumerate(self.tracks):
            gap = centers_m - track.mean[:3]
            spread = track.covariance[:3, :3] + np.square(deviations_m)[:, None, None] * np.eye(3)
            distance = np.sqrt(np.einsum('ni,nij,nj->n', gap, np.linalg.inv(spread), gap))
            fits = (distance <= self.options.gate) & (boxes.class_ids == track.class_id)
            cost[fits, j] = distance[fits]
        from scipy.optimize import linear_sum_assignment  # late: only who tracks needs it

        rows, columns = linear_sum_assignment(cost)
        return {
            int(i): self.tracks[j] for i, j in zip(rows, columns, strict=True) if cost[i, j] < FAR
        }

    def _born(self, class_id: int, center_m: F64, stamp_ns: int) -> Track:
        start = np.concatenate([center_m, np.zeros(3)])
        deviation = np.array([1.0, 1.0, 1.0, 15.0, 3.0, 15.0])  # cars come at 15 m/s
        track = Track(next(self._numbers), class_id, start, np.diag(deviation**2), stamp_ns)
        self.tracks.append(track)
        return track


def predict(track: Track, dt_s: float, acceleration_mps2: float) -> None:
    """Constant velocity; white acceleration as noise (Bar-Shalom et al., 2001, section 6.3.2)."""
    step = np.eye(6)
    step[:3, 3:] = dt_s * np.eye(3)
    gain = np.concatenate([np.full(3, dt_s**2 / 2), np.full(3, dt_s)])
    noise = np.outer(gain, gain) * np.kron(np.ones((2, 2)), np.eye(3)) * acceleration_mps2**2
    track.mean = step @ track.mean
    track.covariance = step @ track.covariance @ step.T + noise


def correct(track: Track, center_m: F64, deviation_m: float) -> None:
    """A measured centre."""
    spread = track.covariance[:3, :3] + deviation_m**2 * np.eye(3)
    gain = track.covariance[:, :3] @ np.linalg.inv(spread)
    track.mean = track.mean + gain @ (center_m - track.mean[:3])
    track.covariance = track.covariance - gain @ track.covariance[:3]
