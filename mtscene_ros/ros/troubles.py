"""Logs recurring trouble: at once, then ever more rarely, with the count."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rclpy.impl.rcutils_logger import RcutilsLogger

REPEAT_AFTER_S, RAREST_S = 5.0, 160.0
LASTING_S = 10.0  # a state that passes sooner, as while everything starts, is not logged
MAX_KINDS = 200  # memory must not grow with what a robot sees
MAX_VARIANTS = 3  # sentences of one kind that are logged at once


@dataclass(slots=True)
class Trouble:
    """Sentences that differ only in their numbers count as one trouble, so that 'JPEG of 4711
    bytes' does not fill the log image by image."""

    variants: set[str] = field(default_factory=set)
    seen: int = 0
    logged_at_s: float = float('-inf')
    pause_s: float = REPEAT_AFTER_S


class Troubles:
    """Counts sentences and logs each when it is new and again after 5 s, 10 s, 20 s ... while it
    lasts. May be called from any thread."""

    def __init__(self, logger: RcutilsLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._lock, self._clock = logger, threading.Lock(), clock
        self._kinds: dict[str, Trouble] = {}
        self._lasting: dict[str, tuple[float, float]] = {}  # when due, and the pause before that

    def warn(self, sentence: str) -> None:
        """Counts the sentence and logs it if it is due."""
        now_s = self._clock()
        with self._lock:
            trouble = self._trouble_of(sentence)
            trouble.seen += 1
            since_s = now_s - trouble.logged_at_s
            is_new = sentence not in trouble.variants and len(trouble.variants) < MAX_VARIANTS
            if since_s < trouble.pause_s and not is_new:
                return
            if is_new:
                trouble.variants.add(sentence)
            is_over = since_s > 2 * RAREST_S  # it had stopped for a long time
            again_s = min(2 * trouble.pause_s, RAREST_S)
            trouble.pause_s = REPEAT_AFTER_S if is_over else again_s
            trouble.logged_at_s, seen = now_s, trouble.seen
        self._logger.warning(sentence if seen == 1 else f'{sentence} (seen {seen} times)')

    def warn_lasting(self, subject: str, sentence: str, after_s: float = LASTING_S) -> None:
        """Logs a state that lasts: after after_s, then ever more rarely while it does.

        To be called regularly. subject: what is in that state; sentence: about it now, '' once it
        is over.
        """
        now_s = self._clock()
        if not sentence:
            self._lasting.pop(subject, None)
            return
        due_s, pause_s = self._lasting.setdefault(subject, (now_s + after_s, LASTING_S))
        if now_s < due_s:
            return
        pause_s = min(2 * pause_s, RAREST_S)
        self._lasting[subject] = now_s + pause_s, pause_s
        self._logger.warning(sentence)

    def warn_once(self, sentence: str) -> None:
        """Logs the sentence the first time only."""
        with self._lock:
            trouble = self._trouble_of(sentence)
            trouble.seen += 1
            is_first = trouble.seen == 1
        if is_first:
            self._logger.warning(sentence)

    def _trouble_of(self, sentence: str) -> Trouble:
        kind = re.sub(r'[-+]?\d+(\.\d+)?', '#', sentence)
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]  # the oldest
        return self._kinds.setdefault(kind, Trouble())
