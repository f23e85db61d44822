"""Selects the images of a recording that a node would process, with the node's own mailbox in
recorded time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mtscene_ros.camera.mailbox import Mailbox, Policy

CAMERA = 'camera'


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """One image; index: its place in the order of arrival; at_ns: when it was recorded; stamp_ns:
    that of its header."""

    index: int
    at_ns: int
    stamp_ns: int
    message: Any


class Stepwise:
    """Takes every image, one after the other; waited_s: how long the last one waited."""

    waited_s = 0.0

    def arrive(self, arrival: Arrival) -> Iterator[Arrival]:
        yield arrival

    def done(self, seconds: float) -> None:
        """Reports how long the last image took."""

    def rest(self) -> Iterator[Arrival]:
        return iter(())


class RealTime:
    """Simulates a worker that is busy for as long as each image took; meanwhile the newest waits.

    dropped: called for each image that is never processed; waited_s: how long the last image
    waited in the mailbox.
    """

    def __init__(self, dropped: Callable[[Arrival], None], policy: Policy | None = None) -> None:
        self._now_s = self._free_s = 0.0
        self.waited_s = 0.0
        self._waiting: Arrival | None = None
        self._dropped = dropped
        self._mailbox: Mailbox[Arrival] = Mailbox((CAMERA,), policy, lambda: self._now_s)

    def arrive(self, arrival: Arrival) -> Iterator[Arrival]:
        """Yields what the worker takes until this arrival; call `done` before the next one."""
        arrives_s = arrival.at_ns * 1e-9
        yield from self._taken_until(arrives_s)
        self._now_s = arrives_s
        before = self._mailbox.counts(CAMERA).dropped
        self._mailbox.put(CAMERA, arrival, arrival.stamp_ns)
        if self._mailbox.counts(CAMERA).dropped > before and self._waiting is not None:
            self._dropped(self._waiting)
        self._waiting = arrival

    def _taken_until(self, until_s: float) -> Iterator[Arrival]:
        while self._waiting is not None:
            start_s = max(self._free_s, self._waiting.at_ns * 1e-9)
            if start_s > until_s:
                return
            self._now_s, self.waited_s = start_s, start_s - self._waiting.at_ns * 1e-9
            for taken in self._mailbox.take(timeout_s=0.0).values():
                self._waiting = None
                yield taken.item

    def done(self, seconds: float) -> None:
        """Reports how long the last image took."""
        self._free_s = self._now_s + seconds

    def rest(self) -> Iterator[Arrival]:
        """Yields what still waits when the recording ends."""
        return self._taken_until(float('inf'))
