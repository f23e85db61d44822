"""Keeps the newest message of each camera and accounts for every message that arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

T = TypeVar('T')

Outcome = Literal['published', 'dropped', 'failed']
ALIVE_S = 1.0  # the mailbox does not wait for a camera that was silent for longer


@dataclass(slots=True)
class Counts:
    """received = published + dropped + failed + (waiting or in progress: at most one each)."""

    received: int = 0
    published: int = 0
    dropped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """Which images are taken together.

    max_skew_ns: 0 takes whatever is there; otherwise images from all cameras that are alive are
    taken together if their stamps differ by no more, and older ones are dropped. patience_s: how
    long the first image waits for the others. min_period_ns: images that follow the last one of
    their camera sooner are dropped.
    """

    max_skew_ns: int = 0
    patience_s: float = 0.1
    min_period_ns: int = 0


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """One waiting message; stamp_ns: of the image; arrived_s: on the mailbox's clock."""

    item: T
    stamp_ns: int
    arrived_s: float


class Mailbox(Generic[T]):
    """One slot per camera; the executor's thread calls `put`, the worker's thread `take`.

    clock: returns seconds; evaluate/run/arrivals.py passes one that follows a recording.
    """

    def __init__(
        self,
        cameras: tuple[str, ...],
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy or Policy()
        self._clock = clock
        self._counts = {camera: Counts() for camera in cameras}
        self._slots: dict[str, Waiting[T]] = {}
        self._seen_s: dict[str, float] = {}
        self._taken_ns: dict[str, int] = {}
        self._behind_ns: dict[str, int] = {}
        self._waiting_since_s = 0.0
        self._changed = threading.Condition()
        self._closed = False

    def put(self, camera: str, item: T, stamp_ns: int = 0) -> None:
        """Keeps the message; the one that it replaces counts as dropped."""
        with self._changed:
            now_s = self._clock()
            self._seen_s[camera] = now_s
            self._counts[camera].received += 1
            if self._closed or self._too_soon(camera, stamp_ns):
                self._counts[camera].dropped += 1
                return
            if camera in self._slots:
                self._counts[camera].dropped += 1
            if not self._slots:
                self._waiting_since_s = now_s
            self._slots[camera] = Waiting(item, stamp_ns, now_s)
            self._changed.notify()

    def take(self, timeout_s: float | None = None) -> dict[str, Waiting[T]]:
        """Waits for the messages that the policy admits; returns {} when closed or timed out."""
        end_s = None if timeout_s is None else self._clock() + timeout_s
        with self._changed:
            while not self._closed:
                ready = self._ready()
                if ready:
                    return self._taken(ready)
                now_s = self._clock()
                if end_s is not None and end_s <= now_s:
                    return {}
                patient_s = self._waiting_since_s + self.policy.patience_s if self._slots else None
                ends_s = [s for s in (end_s, patient_s) if s is not None]
                self._changed.wait(max(0.0, min(ends_s) - now_s) if ends_s else None)
            return {}

    def account(self, camera: str, outcome: Outcome) -> None:
        """Records the outcome of an image that was taken, once for each, from any thread."""
        with self._changed:  # concurrent `+= 1` loses counts
            counts = self._counts[camera]
            setattr(counts, outcome, getattr(counts, outcome) + 1)

    def counts(self, camera: str) -> Counts:
        """Returns a consistent snapshot of the counts so far."""
        with self._changed:
            return replace(self._counts[camera])

    def clear(self) -> None:
        """Drops what waits, and counts it (time jumped back, deactivation)."""
        with self._changed:
            for camera in self._slots:
                self._counts[camera].dropped += 1
            self._slots, self._taken_ns, self._behind_ns = {}, {}, {}

    def close(self) -> None:
        """Wakes the worker for the last time; later messages count as dropped."""
        self.clear()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def silent_s(self, camera: str) -> float | None:
        """Returns the seconds since the camera's last message; None before the first."""
        seen_s = self._seen_s.get(camera)
        return None if seen_s is None else self._clock() - seen_s

    def behind_ns(self, camera: str) -> int:
        """Returns how far the camera's last image was behind the others; 0 if it was taken."""
        return self._behind_ns.get(camera, 0)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _too_soon(self, camera: str, stamp_ns: int) -> bool:
        since_ns = stamp_ns - self._taken_ns.get(camera, stamp_ns - self.policy.min_period_ns)
        return 0 < since_ns < self.policy.min_period_ns

    def _ready(self) -> list[str]:
        """Returns the cameras whose images can be taken now."""
        if not self.policy.max_skew_ns or not self._slots:
            return list(self._slots)
        newest_ns = max(w.stamp_ns for w in self._slots.values())
        oldest_ns = newest_ns - self.policy.max_skew_ns
        together = [c for c, w in self._slots.items() if w.stamp_ns >= oldest_ns]
        now_s = self._clock()
        alive = {c for c, seen_s in self._seen_s.items() if now_s - seen_s < ALIVE_S}
        # Counted from the first image in an empty mailbox; otherwise a camera that is faster than
        # the patience would wait for a slow one for ever.
        is_over = now_s - self._waiting_since_s >= self.policy.patience_s
        return together if alive <= set(together) or is_over else []

    def _taken(self, ready: list[str]) -> dict[str, Waiting[T]]:
        """Empties the mailbox; images too old to be taken now would find no partners later."""
        newest_ns = max(self._slots[camera].stamp_ns for camera in ready)
        for camera in self._slots.keys() - set(ready):
            self._behind_ns[camera] = newest_ns - self._slots.pop(camera).stamp_ns
            self._counts[camera].dropped += 1
        for camera in ready:
            self._taken_ns[camera] = self._slots[camera].stamp_ns
            self._behind_ns.pop(camera, None)
        taken, self._slots = {camera: self._slots[camera] for camera in ready}, {}
        return taken
