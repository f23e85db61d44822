"""Stable ids for 3D boxes: a constant-velocity Kalman filter per object, and the cheapest
assignment of boxes to objects (Weng et al., AB3DMOT, IROS 2020, with centre distance for IoU).

Objects are tracked in the odometry frame where it is known, because parked cars stand still there
however the camera moves, and in the camera frame otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.temporal.heading import Heading, heading_of, turned_back
from mtscene_ros.types import Boxes3D

F64 = NDArray[np.float64]
FORBIDDEN_COST = 1e6  # of a pair that must not be matched


class TrackingError(RuntimeError):
    """Boxes cannot be tracked here; the message is one sentence."""


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
    """How boxes become tracks.

    gate: how many standard deviations a box may lie from its prediction; max_age_s: an object that
    was not seen for longer is forgotten; hits: boxes before an id is given out; acceleration_mps2:
    how far objects deviate from constant velocity; measurement_m, measurement_share: standard
    deviation of a centre in metres, plus a share of its distance, as depth from one camera has it.
    """

    gate: float = 4.0
    max_age_s: float = 1.0
    hits: int = 2
    acceleration_mps2: float = 3.0
    measurement_m: float = 0.3
    measurement_share: float = 0.04


@dataclass(slots=True, eq=False)
class Track:
    """One object; mean: (6,) position in m and velocity in m/s; covariance: (6, 6)."""

    number: int
    class_id: int
    mean: F64
    covariance: F64
    seen_ns: int
    hits: int = 1
    heading: Heading = field(default_factory=Heading)


@dataclass(slots=True)
class Tracker:
    """The tracks of one camera."""

    options: TrackingOptions = TrackingOptions()
    tracks: list[Track] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _last_ns: int = 0
    _odometry_from_optical: F64 | None = None

    def update(
        self, boxes: Boxes3D, stamp_ns: int, odometry_from_optical: F64 | None = None
    ) -> Boxes3D:
        """Returns the same boxes with ids, '' for an object that is too new, and with headings
        that do not flip.

        odometry_from_optical: (4, 4) pose of this frame; None: the last one still holds, or the
        camera's own frame before the first. A stamp that goes back clears all tracks.
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
        ids, quaternions = [], boxes.quaternions_xyzw.copy()
        for i in range(len(boxes)):
            track = matched.get(i) or self._born(int(boxes.class_ids[i]), centers_m[i], stamp_ns)
            if i in matched:
                correct(track, centers_m[i], float(deviations_m[i]))
                track.hits, track.seen_ns = track.hits + 1, stamp_ns
            if track.heading.is_reversed(pose[:3, :3] @ heading_of(quaternions[i])):
                quaternions[i] = turned_back(quaternions[i])
            ids.append(str(track.number) if track.hits >= self.options.hits else '')
        return replace(boxes, ids=tuple(ids), quaternions_xyzw=quaternions)

    def _pose(self, odometry_from_optical: F64 | None) -> F64:
        if odometry_from_optical is not None:
            if self._odometry_from_optical is None:
                self.tracks.clear()  # their positions are in the camera frame
            self._odometry_from_optical = odometry_from_optical
        # Late odometry must not cost the ids: for this frame the camera counts as standing still.
        return np.eye(4) if self._odometry_from_optical is None else self._odometry_from_optical

    def _assigned(self, boxes: Boxes3D, centers_m: F64, deviations_m: F64) -> dict[int, Track]:
        """Returns box index → track; pairs beyond the gate or of different classes never match."""
        if not self.tracks or not len(boxes):
            return {}
        cost = np.full((len(boxes), len(self.tracks)), FORBIDDEN_COST)
        for j, track in enumerate(self.tracks):
            gap = centers_m - track.mean[:3]
            spread = track.covariance[:3, :3] + np.square(deviations_m)[:, None, None] * np.eye(3)
            distance = np.sqrt(np.einsum('ni,nij,nj->n', gap, np.linalg.inv(spread), gap))
            fits = (distance <= self.options.gate) & (boxes.class_ids == track.class_id)
            cost[fits, j] = distance[fits]
        from scipy.optimize import linear_sum_assignment  # imported late: only tracking needs it

        rows, columns = linear_sum_assignment(cost)
        return {
            int(i): self.tracks[j]
            for i, j in zip(rows, columns, strict=True)
            if cost[i, j] < FORBIDDEN_COST
        }

    def _born(self, class_id: int, center_m: F64, stamp_ns: int) -> Track:
        start = np.concatenate([center_m, np.zeros(3)])
        deviation = np.array(
            [1.0, 1.0, 1.0, 15.0, 3.0, 15.0]
        )  # an oncoming car moves at about 15 m/s
        track = Track(next(self._numbers), class_id, start, np.diag(deviation**2), stamp_ns)
        self.tracks.append(track)
        return track


def predict(track: Track, dt_s: float, acceleration_mps2: float) -> None:
    """Predicts with constant velocity and white acceleration noise.

    Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001,
    section 6.3.2.
    """
    step = np.eye(6)
    step[:3, 3:] = dt_s * np.eye(3)
    gain = np.concatenate([np.full(3, dt_s**2 / 2), np.full(3, dt_s)])
    noise = np.outer(gain, gain) * np.kron(np.ones((2, 2)), np.eye(3)) * acceleration_mps2**2
    track.mean = step @ track.mean
    track.covariance = step @ track.covariance @ step.T + noise


def correct(track: Track, center_m: F64, deviation_m: float) -> None:
    """Updates a track with a measured centre."""
    spread = track.covariance[:3, :3] + deviation_m**2 * np.eye(3)
    gain = track.covariance[:, :3] @ np.linalg.inv(spread)
    track.mean = track.mean + gain @ (center_m - track.mean[:3])
    track.covariance = track.covariance - gain @ track.covariance[:3]
