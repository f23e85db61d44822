"""A progress bar with the time that is left and frames per second, where a terminal shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(total: int, is_wanted: bool) -> Iterator[Callable[[], None]]:
    """Gives what is to be called for each frame. Without rich (extra `evaluate`) or a terminal:
    nothing."""
    try:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        is_wanted = False
    if not is_wanted or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console

    columns = (
        BarColumn(),
        TextColumn('{task.completed:.0f}/{task.total:.0f} frames'),
        TextColumn('{task.speed:.1f} frames/s'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task('', total=total)
        yield lambda: progress.advance(task)
