"""Logs recurring trouble: at once, then ever more rarely, with the count."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rclpy.impl.rcutils_logger import RcutilsLogger

from mtscene_ros.terminal import plural, shown

REPEAT_AFTER_S, RAREST_S = 5.0, 160.0
LASTING_S = 10.0  # a state that passes sooner, as while everything starts, is not logged
MAX_KINDS = 200  # memory must not grow with what a robot sees
# Sentences that are logged at once, then one per so many seconds: whoever publishes chooses words.
BURST, SPARE_S = 20.0, 5.0
QUOTED = r"""'[^']*('|$)|"[^"]*("|$)"""
MAX_VARIANTS = 3  # sentences of one kind that are logged at once


@dataclass(slots=True)
class Trouble:
    """Sentences that differ only in numbers and quoted words count as one trouble, so that 'JPEG
    of 4711 bytes' does not fill the log image by image."""

    variants: set[str] = field(default_factory=set)
    seen: int = 0
    logged_at_s: float = float('-inf')
    pause_s: float = REPEAT_AFTER_S


@dataclass(slots=True)
class Budget:
    """How many sentences may be logged beyond the rules of each kind: some at once, then one per
    SPARE_S, whatever they contain."""

    left: float = BURST
    at_s: float = 0.0
    held_back: int = 0

    def allows(self, now_s: float) -> bool:
        self.left = min(BURST, self.left + (now_s - self.at_s) / SPARE_S)
        self.at_s = now_s
        if self.left < 1:
            self.held_back += 1
            return False
        self.left -= 1
        return True


class Troubles:
    """Counts sentences and logs each when it is new and again after 5 s, 10 s, 20 s ... while it
    lasts. May be called from any thread."""

    def __init__(self, logger: RcutilsLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._lock, self._clock = logger, threading.Lock(), clock
        self._kinds: dict[str, Trouble] = {}
        self._lasting: dict[str, tuple[float, float]] = {}  # when due, and the pause before that
        self._budget = Budget(at_s=clock())

    def warn(self, sentence: str) -> None:
        """Counts the sentence and logs it if it is due."""
        now_s, sentence = self._clock(), shown(sentence)
        with self._lock:
            trouble = self._trouble_of(re.sub(QUOTED, "'...'", sentence))
            trouble.seen += 1
            since_s = now_s - trouble.logged_at_s
            is_new = sentence not in trouble.variants and len(trouble.variants) < MAX_VARIANTS
            if (since_s < trouble.pause_s and not is_new) or not self._budget.allows(now_s):
                return
            if is_new:
                trouble.variants.add(sentence)
            is_over = since_s > 2 * RAREST_S  # it had stopped for a long time
            again_s = min(2 * trouble.pause_s, RAREST_S)
            trouble.pause_s = REPEAT_AFTER_S if is_over else again_s
            trouble.logged_at_s, seen = now_s, trouble.seen
            more = self._held_back()
        self._logger.warning((sentence if seen == 1 else f'{sentence} (seen {seen} times)') + more)

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
        sentence = shown(sentence)
        with self._lock:
            trouble = self._trouble_of(sentence)
            trouble.seen += 1
            is_due = trouble.seen == 1 and self._budget.allows(time.monotonic())
            more = self._held_back() if is_due else ''
        if is_due:
            self._logger.warning(sentence + more)

    def _held_back(self) -> str:
        """Returns a remark on the sentences that were not logged, and forgets them."""
        count, self._budget.held_back = self._budget.held_back, 0
        return f' ({plural(count, "other warning")} not logged)' if count else ''

    def _trouble_of(self, sentence: str) -> Trouble:
        kind = re.sub(r'[-+]?\d+(\.\d+)?', '#', sentence)
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]  # the oldest
        return self._kinds.setdefault(kind, Trouble())
