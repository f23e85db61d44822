"""Opens whole recordings, and salvages what is left of those that were cut off.

A recorder that dies leaves a file without an index (MCAP, ROS 1), a database with missing pages,
or a folder without metadata.yaml. Whatever can be read from the front is written as a new
recording beside the results and read from there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from rosbags.highlevel import AnyReader

from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag
from mtscene_ros.recordings.salvage_ros1 import rescue_ros1

MAX_DATABASE_BYTES = 1 << 44  # a larger size means a damaged header
MAGIC = b'\x89MCAP0\r\n'
# Opcodes of the MCAP specification: header, schema, channel, message, chunk; the end of the data.
KEPT, DATA_END = {0x01, 0x03, 0x04, 0x05, 0x06}, {0x0F, 0x02}
# A data end and a footer without a summary, both without checksums.
END = b'\x0f\x04' + bytes(7) + bytes(4) + b'\x02\x14' + bytes(7) + bytes(20) + MAGIC


@contextmanager
def readable_bag(path: Path, scratch: Path, tell: Callable[[str], None]) -> Iterator[AnyReader]:
    """Opens a recording, or a copy of what can be salvaged of it.

    scratch: an existing folder with room for the copy. Raises BagError where nothing is left.
    """
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(open_bag(path))
        except BagError:
            if not path.exists():
                raise
            folder = tempfile.TemporaryDirectory(prefix='.salvage-', dir=scratch)
            parts = rescued(path, Path(stack.enter_context(folder)))
            if not parts:
                raise
            reader = stack.enter_context(open_bag(*parts))
            if not reader.message_count:
                raise
            tell(f'{path.name} is damaged or was cut off; the part that can be read is used.')
        yield reader


def rescued(path: Path, into: Path) -> list[Path]:
    """Writes a new recording to the folder `into` for each file that something is left of."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    parts = []
    for number, file in enumerate(files):
        rescue, ending = RESCUERS.get(file.suffix, (None, ''))
        target = into / f'{number}{ending}'
        if rescue is not None and rescue(file, target):
            parts.append(target)
    return parts


def rescue_mcap(path: Path, into: Path) -> bool:
    """Copies every whole record of the data section; returns whether there are any."""
    left, found = path.stat().st_size - len(MAGIC), False
    with path.open('rb') as source, into.open('wb') as out:
        out.write(source.read(len(MAGIC)))
        while left >= 9:
            head = source.read(9)
            size = int.from_bytes(head[1:], 'little')
            left -= 9 + size
            if left < 0 or head[0] in DATA_END:
                break
            if head[0] in KEPT:
                out.write(head + source.read(size))
                found = found or head[0] >= 0x05
            else:
                source.seek(size, os.SEEK_CUR)
        out.write(END)
    return found


def rescue_sqlite(path: Path, into: Path) -> bool:
    """Copies messages of known types up to the first missing page; returns whether any were."""
    count, padded = 0, into.with_suffix('.db3')
    pad_pages(path, padded)
    with closing(sqlite3.connect(padded)) as data, BagWriter(into) as out:
        try:
            topics = {row[0]: row[1:] for row in data.execute('SELECT id, name, type FROM topics')}
            rows = data.execute('SELECT topic_id, timestamp, data FROM messages')
            for topic_id, stamp_ns, cdr in rows:
                topic, kind = topics[topic_id]
                if kind in out.types.types:
                    out.write_raw(topic, kind, stamp_ns, cdr)
                    count += 1
        except (sqlite3.Error, KeyError):
            pass  # nothing readable follows
    padded.unlink()
    return count > 0


def pad_pages(path: Path, into: Path) -> None:
    """Copies a database and fills missing pages with zeros.

    SQLite does not open a file that is shorter than its header says.
    """
    shutil.copyfile(path, into)
    with into.open('r+b') as file:
        header = file.read(32)
        page, pages = int.from_bytes(header[16:18], 'big'), int.from_bytes(header[28:32], 'big')
        size = (65536 if page == 1 else page) * pages
        if path.stat().st_size < size <= MAX_DATABASE_BYTES:
            file.truncate(size)


RESCUERS: dict[str, tuple[Callable[[Path, Path], bool], str]] = {
    '.mcap': (rescue_mcap, '.mcap'),
    '.db3': (rescue_sqlite, '.mcap'),
    '.bag': (rescue_ros1, '.bag'),
}
