"""Writes files completely or not at all: beside their place, flushed to disk, then renamed.

A reader finds either the old or the new content, also after a crash or a power cut.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_FILE_MODE = 0o666  # minus the user's umask, as for `open`


@contextmanager
def replacing(path: Path, mode: int = NEW_FILE_MODE) -> Iterator[Path]:
    """Yields the empty file to fill, which becomes `path` at the end of the `with` block.

    An error within the block removes it, and what was at `path` stays. Links are replaced, never
    followed. mode: permissions of a new file, before the umask. Raises OSError.
    """
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        os.close(os.open(partial, flags, mode))
        yield partial
        move_into_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move_into_place(finished: Path, path: Path) -> None:
    """Renames a finished file or folder to `path` on the same disk, once it is flushed.

    Raises OSError.
    """
    inside = finished.rglob('*') if finished.is_dir() else [finished]
    for file in (f for f in inside if f.is_file()):
        with file.open('rb') as opened:
            os.fsync(opened.fileno())
    os.replace(finished, path)


def remove_leftovers(path: Path) -> None:
    """Removes what killed processes left of `path`; the caller must be its only writer."""
    for left in path.parent.glob(f'{glob.escape(path.name)}.*.partial'):
        left.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, mode: int = NEW_FILE_MODE) -> None:
    """Writes bytes as `replacing` does."""
    with replacing(path, mode) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text to a path that a user names. Raises OSError.

    It writes through a link or a device such as /dev/stdout.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text, encoding='utf-8')
    else:
        write_bytes(path, text.encode())
