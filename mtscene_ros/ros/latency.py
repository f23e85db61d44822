"""Latencies of the last frames, a verdict on them with hysteresis, and rates."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtscene_ros.camera.camera_frames import Level

WINDOW = 300  # frames: ten seconds of a camera at 30 Hz


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a duration, in seconds."""

    p50_s: float
    p95_s: float
    p99_s: float


class Latencies:
    """Durations by stage of the last WINDOW frames; memory does not grow."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._stages: dict[str, deque[float]] = {}

    def add(self, stage_s: Mapping[str, float]) -> None:
        """Adds one frame: seconds by stage."""
        for name, seconds in stage_s.items():
            self._stages.setdefault(name, deque(maxlen=self._window)).append(seconds)

    def percentiles(self, only: str = '') -> dict[str, Percentiles]:
        """Returns the percentiles by stage, in the order in which the stages ran; only: of one."""
        return {
            name: Percentiles(*map(float, np.percentile(list(values), (50, 95, 99))))
            for name, values in list(self._stages.items())
            if values and only in ('', name)
        }


class Hysteresis:
    """WARN after `frames` late frames in a row, ERROR after ten times as many; OK again only after
    `frames` timely ones in a row."""

    def __init__(self, frames: int) -> None:
        self.frames, self.level = frames, Level.OK
        self._late = self._good = 0

    def add(self, *, is_late: bool) -> Level:
        """Adds one frame and returns the level."""
        self._late = self._late + 1 if is_late else 0
        self._good = 0 if is_late else self._good + 1
        if self._late >= 10 * self.frames:
            self.level = Level.ERROR
        elif self._late >= self.frames:
            self.level = max(self.level, Level.WARN)
        elif self._good >= self.frames:
            self.level = Level.OK
        return self.level


class Rate:
    """The rate of a growing count between two readings."""

    def __init__(self) -> None:
        self._count, self._at_s = 0, float('nan')

    def per_second(self, count: int, now_s: float) -> float:
        """Returns the increase per second since the last reading; 0 at the first."""
        since_s, more = now_s - self._at_s, count - self._count
        self._count, self._at_s = count, now_s
        return more / since_s if since_s > 0 else 0.0
