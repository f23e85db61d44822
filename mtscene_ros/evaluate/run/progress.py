"""A progress bar with the time that is left and frames per second, where a terminal shows it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(total: int, is_wanted: bool) -> Iterator[Callable[[], None]]:
    """Gives what is to be called for each frame. Without rich (extra `evaluate`) or a terminal:
    nothing."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        is_wanted = False
    if not is_wanted or not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (
        BarColumn(),
        TextColumn(
            '{task.completed:.0f}/{task.total:.0f} frames, {task.fields[rate]:.1f} frames/s'
        ),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task, count, start_s = progress.add_task('', total=total, rate=0.0), 0, time.monotonic()

        def step() -> None:
            nonlocal count
            count += 1
            rate = count / max(time.monotonic() - start_s, 1e-9)
            progress.update(task, advance=1, rate=rate)

        yield step
