"""The newest message of each camera, and an account of every message that ever came."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar('T')


@dataclass(slots=True)
class Counts:
    """received = published + dropped + failed + (waiting or in work: at most one each)."""

    received: int = 0
    published: int = 0
    dropped: int = 0
    failed: int = 0


class Mailbox(Generic[T]):
    """One slot per camera. `put` from the executor's thread, `take` from the worker's."""

    def __init__(self, cameras: tuple[str, ...]) -> None:
        self.counts = {camera: Counts() for camera in cameras}
        self._slots: dict[str, T] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, camera: str, item: T) -> None:
        """Keeps the newest; the one it replaces counts as dropped."""
        with self._changed:
            self.counts[camera].received += 1
            if self._closed or camera in self._slots:
                self.counts[camera].dropped += 1
            if not self._closed:
                self._slots[camera] = item
                self._changed.notify()

    def take(self, timeout_s: float | None = None) -> dict[str, T]:
        """Waits for at least one item, takes all there are; empty when closed or timed out."""
        with self._changed:
            self._changed.wait_for(lambda: self._slots or self._closed, timeout_s)
            taken, self._slots = self._slots, {}
            return taken

    def clear(self) -> None:
        """Forgets what waits (time jumped back, deactivation); it counts as dropped."""
        with self._changed:
            for camera in self._slots:
                self.counts[camera].dropped += 1
            self._slots = {}

    def close(self) -> None:
        """Wakes the worker for good; later items count as dropped."""
        self.clear()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True once `close` was called."""
        return self._closed
