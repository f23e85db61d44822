"""A line on stderr that tells how far something is: on a terminal, from the second second on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

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


def say(text: str) -> None:
    """To the terminal at once, also where it is a pipe."""
    print(text, flush=True)


class StatusLine:
    """One line that is rewritten on a terminal; elsewhere a line per second."""

    def __init__(self) -> None:
        self._tty = sys.stdout.isatty()
        self._period_s = 0.1 if self._tty else 1.0
        self._next_s = time.monotonic() + self._period_s

    def show(self, text: str) -> None:
        """Shows the text unless the last one is too fresh."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._period_s
        print(f'\r\033[K{text}' if self._tty else text, end='' if self._tty else '\n', flush=True)

    def end(self, text: str) -> None:
        """The last text, with its line's end."""
        print(f'\r\033[K{text}' if self._tty else text, flush=True)


def size(text: str) -> tuple[int, int]:
    """'512x256' → (512, 256)."""
    width, height = text.split('x')
    return int(width), int(height)


RATE_WINDOW_S = 2.0


def live_text(arrived_s: Sequence[float], total_s: Sequence[float], counts: dict[str, int]) -> str:
    """arrived_s: when each frame's statistics came, any clock; total_s: its time in the node."""
    recent = [t for t in arrived_s if t > arrived_s[-1] - RATE_WINDOW_S]
    span_s = recent[-1] - recent[0] if recent else 0.0
    rate_hz = (len(recent) - 1) / span_s if span_s > 0 else 0.0
    p50, p95, p99 = 1000 * np.percentile(total_s or [0.0], (50, 95, 99))
    return (
        f'{counts["published"]:4d} frames  {rate_hz:5.1f} Hz  latency p50 {p50:.0f}  p95 {p95:.0f}'
        f'  p99 {p99:.0f} ms  dropped {counts["dropped"]}  failed {counts["failed"]}'
    )


def plural(count: int, noun: str) -> str:
    """(1, 'frame') → '1 frame'; (2, 'frame') → '2 frames'."""
    return f'{count} {noun}{"" if count == 1 else "s"}'
