"""Frees the shared memory that killed processes left.

Fast DDS keeps a segment per process in /dev/shm, 64 MB under config/fastdds.xml. Its owner holds a
lock on a file beside it for as long as it lives (`_el`); `fastdds shm clean` goes by the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import time
from pathlib import Path

FOLDER = Path('/dev/shm')
# Names of Fast DDS 2 and 3: fastrtps_0123456789abcdef and its lock. Ports are small, and reused.
LOCK_NAME = re.compile(r'(fastrtps|fastdds)_[0-9a-f]{16}_el')
YOUNG_S = 1.0  # its owner may be just about to lock it


def remove_abandoned(folder: Path = FOLDER) -> int:
    """Removes the segments of dead processes of this user; returns their bytes."""
    freed = 0
    with contextlib.suppress(OSError):  # there is no such folder
        for lock in sorted(folder.iterdir()):
            if LOCK_NAME.fullmatch(lock.name):
                freed += removed(lock)
    return freed


def removed(lock: Path) -> int:
    """Removes the segment of this lock unless a process holds it; returns its bytes."""
    segment = lock.with_name(lock.name.removesuffix('_el'))
    try:
        if time.time() - lock.lstat().st_mtime < YOUNG_S or lock.is_symlink():
            return 0
        with lock.open('r+b') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = segment.stat().st_size if segment.exists() else 0
            segment.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    except OSError:  # it is held, or another user's
        return 0
    return size
