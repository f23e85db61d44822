"""Which images of a recording a node gets to see, by the node's own mailbox in recorded time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mtscene_ros.camera.mailbox import Mailbox, Policy

CAMERA = 'camera'


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """index: in the order of arrival; at_ns: when it was recorded; stamp_ns: of its header."""

    index: int
    at_ns: int
    stamp_ns: int
    message: Any


class Stepwise:
    """Every image, one after the other. waited_s: of the one that was taken last."""

    waited_s = 0.0

    def arrive(self, arrival: Arrival) -> Iterator[Arrival]:
        yield arrival

    def done(self, seconds: float) -> None:
        """The last image that was taken has been worked on for so long."""

    def rest(self) -> Iterator[Arrival]:
        return iter(())


class RealTime:
    """A worker that is busy for as long as each image took; meanwhile the newest waits.

    dropped: told of each image that nobody will work on; waited_s: how long the one that was taken
    last lay in the mailbox.
    """

    def __init__(self, dropped: Callable[[Arrival], None], policy: Policy | None = None) -> None:
        self._now_s = self._free_s = 0.0
        self.waited_s = 0.0
        self._waiting: Arrival | None = None
        self._dropped = dropped
        self._mailbox: Mailbox[Arrival] = Mailbox((CAMERA,), policy, lambda: self._now_s)

    def arrive(self, arrival: Arrival) -> Iterator[Arrival]:
        """What the worker takes up to this arrival; it is given `done` before the next one."""
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
        """The last image that was taken has been worked on for so long."""
        self._free_s = self._now_s + seconds

    def rest(self) -> Iterator[Arrival]:
        """What still waits when the recording ends."""
        return self._taken_until(float('inf'))
