"""Log lines about what keeps going wrong: at once, then rarely, with the count."""

from __future__ import annotations

import time
from collections import Counter

from rclpy.impl.rcutils_logger import RcutilsLogger

SAY_AGAIN_S = 5.0


class Troubles:
    """Counts sentences; each is logged when new and again every SAY_AGAIN_S while it lasts."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self.seen: Counter[str] = Counter()
        self._said_at_s: dict[str, float] = {}

    def tell(self, sentence: str) -> None:
        """Counts the sentence and logs it if it is time."""
        self.seen[sentence] += 1
        now_s = time.monotonic()
        if now_s - self._said_at_s.get(sentence, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said_at_s[sentence] = now_s
            self._logger.warning(f'{sentence} (seen {self.seen[sentence]} times)')
