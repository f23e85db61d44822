"""Writes files completely or not at all: beside their place, flushed to disk, then renamed.

A reader finds either the old or the new content, also after a crash or a power cut.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = '.lock'  # in a scratch folder
YOUNG_S = 600.0
NEW_FILE_MODE = 0o666  # minus the user's umask, as for `open`


@contextmanager
def replacing(path: Path, mode: int = NEW_FILE_MODE) -> Iterator[Path]:
    """Yields the empty file to fill, which becomes `path` at the end of the `with` block.

    An error within the block removes it, and what was at `path` stays. Links are replaced, never
    followed. mode: permissions of a new file, before the umask. Raises OSError.
    """
    remove_abandoned(path.parent, f'{path.name}.*.partial')
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(partial, flags, mode), 'wb') as ours:
            hold(ours)
            yield partial
            move_into_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yields an empty folder, removes it at the end, and those that killed processes left before.

    Raises OSError.
    """
    remove_abandoned(parent, f'{prefix}*')
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with (folder / LOCK).open('wb') as ours:
            hold(ours)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def hold(file: IO[bytes]) -> None:
    """Locks an open file for as long as this process holds it open, which says that we live."""
    with contextlib.suppress(OSError):  # a file system without locks: nothing is cleared up there
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_abandoned(parent: Path, pattern: str) -> None:
    """Removes unfinished files and scratch folders whose process is gone."""
    for left in abandoned(parent, pattern):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink()


def abandoned(parent: Path, pattern: str) -> list[Path]:
    """Returns what killed processes left; the pattern has one `*`, all else is taken literally."""
    begin, _, end = pattern.rpartition('*')
    found = sorted(parent.glob(f'{glob.escape(begin)}*{end}'))
    return [path for path in found if not path.is_symlink() and is_abandoned(path)]


def is_abandoned(path: Path) -> bool:
    """Whether no process holds the file, or the lock in the folder."""
    lock = path / LOCK if path.is_dir() else path
    try:
        if not lock.exists():  # its process is just about to make it, or it is of an old version
            return time.time() - path.stat().st_mtime > YOUNG_S
        with lock.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
    """Writes UTF-8 text as `write_named` does."""
    write_named(path, text.encode())


def write_named(path: Path, content: bytes) -> None:
    """Writes bytes to a path that a user names: to what a link leads to, or to a device such as
    /dev/stdout. Raises OSError.
    """
    is_device = path.absolute().parts[1:2] in (('dev',), ('proc',))
    if is_device or (path.exists() and not path.is_file()):
        path.write_bytes(content)
    else:
        write_bytes(path.resolve() if path.is_symlink() else path, content)
