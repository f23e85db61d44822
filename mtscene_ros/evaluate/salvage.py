"""Recordings as they are found: whole ones, and what is left of damaged ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.highlevel import AnyReader

from mtscene_ros.bags import open_bag


@contextmanager
def readable_bag(path: Path, scratch: Path, tell: Callable[[str], None]) -> Iterator[AnyReader]:
    """Raises BagError."""
    with open_bag(path) as reader:
        yield reader
