"""A line on stderr that tells how far something is: on a terminal, from the second second on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar('T')

WIDTH = 30
QUIET_S = 1.5  # what is over by then needs no bar
PERIOD_S = 0.2


class Bar:
    """unit: of what is counted; total: None where nobody knows it."""

    def __init__(self, unit: str, total: int | None = None) -> None:
        self._unit, self._total = unit, total
        self._start_s = time.monotonic()
        self._next_s = self._start_s + QUIET_S
        self._is_shown = False

    def show(self, done: int) -> None:
        """Cheap enough for every item."""
        now_s = time.monotonic()
        if now_s < self._next_s or not sys.stderr.isatty():
            return
        self._next_s = now_s + PERIOD_S
        self._is_shown = True
        line = text(done, self._total, self._unit, now_s - self._start_s)
        print(f'\r\033[K{line}', end='', file=sys.stderr, flush=True)

    def end(self) -> None:
        """Takes the line away."""
        if self._is_shown:
            print('\r\033[K', end='', file=sys.stderr, flush=True)
        self._is_shown = False


def text(done: int, total: int | None, unit: str, spent_s: float) -> str:
    """'[=====     ] 50/100 frames, 10.0 per s, 5 s left'."""
    rate_hz = done / spent_s if spent_s > 0 else 0.0
    told = f'{done} {unit}, {rate_hz:.1f} per s'
    if not total:
        return told
    full = '=' * int(WIDTH * min(done / total, 1.0))
    left = f', {(total - done) / rate_hz:.0f} s left' if rate_hz else ''
    return f'[{full:{WIDTH}s}] {done}/{total} {unit}, {rate_hz:.1f} per s{left}'


def counted(items: Iterable[T], unit: str, total: int | None = None) -> Iterator[T]:
    """The same items, with a bar."""
    bar = Bar(unit, total)
    try:
        for done, item in enumerate(items):
            bar.show(done)
            yield item
    finally:
        bar.end()
