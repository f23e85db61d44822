"""Log lines about what keeps going wrong: at once, then ever more rarely, with the count."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field

from rclpy.impl.rcutils_logger import RcutilsLogger

from mtscene_ros.terminal import quantity

SAY_AGAIN_S, RAREST_S = 5.0, 160.0
MOST_KINDS = 200  # memory must not grow with what a robot sees
MOST_VARIANTS = 3  # of one kind that are said at once


@dataclass(slots=True)
class Trouble:
    """Sentences that differ in their numbers alone are one trouble: 'JPEG of 4711 bytes' must not
    fill the log, image by image."""

    variants: set[str] = field(default_factory=set)
    seen: int = 0
    said_at_s: float = float('-inf')
    pause_s: float = SAY_AGAIN_S


class Troubles:
    """Counts sentences; each is logged when new, and again after 5 s, 10 s, 20 s ... while it
    lasts. From any thread."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger, self._lock = logger, threading.Lock()
        self._kinds: dict[str, Trouble] = {}

    def tell(self, sentence: str) -> None:
        """Counts the sentence and logs it if it is time."""
        now_s = time.monotonic()
        with self._lock:
            trouble = self._of(sentence)
            trouble.seen += 1
            since_s = now_s - trouble.said_at_s
            is_new = sentence not in trouble.variants and len(trouble.variants) < MOST_VARIANTS
            if since_s < trouble.pause_s and not is_new:
                return
            if is_new:
                trouble.variants.add(sentence)
            is_over = since_s > 2 * RAREST_S  # it was gone for long
            again_s = min(2 * trouble.pause_s, RAREST_S)
            trouble.pause_s = SAY_AGAIN_S if is_over else again_s
            trouble.said_at_s, seen = now_s, trouble.seen
        self._logger.warning(f'{sentence} (seen {quantity(seen, "time")})')

    def tell_once(self, sentence: str) -> None:
        """For what is worth a line, and no more."""
        with self._lock:
            trouble = self._of(sentence)
            trouble.seen += 1
            is_first = trouble.seen == 1
        if is_first:
            self._logger.warning(sentence)

    def _of(self, sentence: str) -> Trouble:
        kind = re.sub(r'[-+]?\d+(\.\d+)?', '#', sentence)
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            del self._kinds[next(iter(self._kinds))]  # the oldest
        return self._kinds.setdefault(kind, Trouble())
