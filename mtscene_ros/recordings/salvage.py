"""Salvages what is left of databases and ROS 1 bags that were cut off.

A recorder that dies leaves a database with missing pages or a bag without an index. Whatever can
be read from the front is written as a new file and read from there. MCAP files need no copy.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mtscene_ros.recordings.salvage_ros1 import rescue_ros1

MAX_DATABASE_BYTES = 1 << 44  # a larger size means a damaged header
TABLES = {
    'topics': 'id, name, type, serialization_format, offered_qos_profiles, type_description_hash',
    'message_definitions': 'id, topic_type, encoding, encoded_message_definition, '
    'type_description_hash',
    'messages': 'id, topic_id, timestamp, data',
}


def rescued(file: Path, into: Path) -> Path | None:
    """Writes a new recording to the folder `into`, unless nothing is left of the file."""
    rescue = RESCUERS.get(file.suffix)
    target = into / f'salvaged-{file.name}'
    return target if rescue is not None and rescue(file, target) else None


def rescue_sqlite(path: Path, into: Path) -> bool:
    """Copies topics, definitions and messages up to the first missing page; returns whether there
    are any messages."""
    padded = into.with_suffix('.padded')
    pad_pages(path, padded)
    with closing(sqlite3.connect(padded)) as old, closing(sqlite3.connect(into)) as new:
        new.execute('CREATE TABLE schema(schema_version INTEGER, ros_distro TEXT)')
        new.execute("INSERT INTO schema VALUES(4, '')")
        counts = {table: copy_rows(old, new, table) for table in TABLES}
        new.commit()
    padded.unlink()
    return counts['topics'] > 0 and counts['messages'] > 0


def copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copies the rows that can be read and returns how many; columns of later versions are ''."""
    columns = TABLES[table].split(', ')
    new.execute(f'CREATE TABLE {table}({", ".join(columns)})')
    count = 0
    try:
        there = [row[1] for row in old.execute(f'PRAGMA table_info({table})')]
        wanted = ', '.join(name if name in there else "''" for name in columns)
        marks = ', '.join('?' * len(columns))
        for row in old.execute(f'SELECT {wanted} FROM {table}'):
            new.execute(f'INSERT INTO {table} VALUES({marks})', row)
            count += 1
    except sqlite3.Error:
        pass  # nothing readable follows
    return count


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


RESCUERS: dict[str, Callable[[Path, Path], bool]] = {'.db3': rescue_sqlite, '.bag': rescue_ros1}
