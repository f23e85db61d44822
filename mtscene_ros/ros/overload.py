"""Finds out that a camera sends more images than the node can answer, and what to do about it.

Dropping is the node's policy and no fault of a single image, so the rates over several seconds
decide, and only where nobody asked for fewer images.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.ros.latency import Percentiles

WINDOW_S, LEAST_S = 10.0, 5.0  # of the rates; with less than LEAST_S nothing is said
DROPPED_SHARE = 0.2  # fewer drops are jitter
MAX_READINGS = 64  # one a second are expected
STAGES = 3  # that a sentence names
NO_STAGES = ('latency', 'age', 'receive')  # sums, and waiting for the others
REMEDIES = 'set a smaller output_scale, subscribe to fewer outputs, or choose another backend'


class Load:
    """The rates of one camera; sentence: '' while the node keeps up."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int, int, int]] = deque(maxlen=MAX_READINGS)
        self.sentence = ''

    def reset(self) -> None:
        """Forgets everything, because the node is idle or drops images for another reason."""
        self._readings.clear()
        self.sentence = ''

    def update(
        self, counts: Counts, now_s: float, limit_hz: float, stages: Mapping[str, Percentiles]
    ) -> None:
        """Takes a reading.

        Args:
            counts: of the camera, since the node became active.
            now_s: on any steady clock.
            limit_hz: the rate that the user asked for, 0 for all images.
            stages: durations of the last frames.
        """
        self._readings.append((now_s, counts.received, counts.published, counts.dropped))
        while now_s - self._readings[0][0] > WINDOW_S:
            self._readings.popleft()
        start_s, received, published, dropped = self._readings[0]
        span_s = now_s - start_s
        if span_s < LEAST_S:
            return
        in_hz = (counts.received - received) / span_s
        out_hz = (counts.published - published) / span_s
        wanted_hz = min(in_hz, limit_hz) if limit_hz else in_hz
        lost_hz = (counts.dropped - dropped) / span_s - (in_hz - wanted_hz)
        keeps_up = wanted_hz <= 0 or min(lost_hz, wanted_hz - out_hz) <= DROPPED_SHARE * wanted_hz
        self.sentence = '' if keeps_up else overload(wanted_hz, out_hz, stages)


def overload(in_hz: float, out_hz: float, stages: Mapping[str, Percentiles]) -> str:
    """Returns one sentence with the rates, the slowest stages and three remedies."""
    named = {name: p.p50_s for name, p in stages.items() if name not in NO_STAGES}
    slowest = sorted(named, key=lambda name: -named[name])[:STAGES]
    spent = ', '.join(f'{name} {1e3 * named[name]:.0f} ms' for name in slowest)
    each = f', for one takes {1e3 * sum(named.values()):.0f} ms ({spent})' if named else ''
    return (
        f'Images arrive at {in_hz:.1f} Hz and results leave at {out_hz:.1f} Hz: '
        f'{100 * (1 - out_hz / in_hz):.0f} % are dropped{each}; {REMEDIES}.'
    )
