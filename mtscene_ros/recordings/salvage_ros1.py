"""Salvages a ROS 1 bag that was cut off, read from the front without the index at its end.

Format: http://wiki.ros.org/Bags/Format/2.0.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rosbags.rosbag1 import Writer, WriterError

from mtscene_ros.models.limits import LimitError
from mtscene_ros.recordings.unpack import UNPACKERS

MAGIC = b'#ROSBAG V2.0\n'
MESSAGE, CHUNK, CONNECTION = 2, 5, 7
Fields = dict[str, bytes]


def rescue_ros1(path: Path, into: Path) -> bool:
    """Copies every message of whole chunks to a new bag; returns whether there are any."""
    connections: dict[int, Any] = {}
    count = 0
    with path.open('rb') as source, Writer(into) as out:
        if source.read(len(MAGIC)) != MAGIC:
            return False
        for fields, data in inner_records(source):
            try:
                count += copied(fields, data, connections, out)
            except (LookupError, ValueError, struct.error, WriterError):
                continue  # this record is damaged
    return count > 0


def copied(fields: Fields, data: bytes, connections: dict[int, Any], out: Writer) -> int:
    """Writes a connection or message to the new bag; returns the number of messages."""
    number = int.from_bytes(fields['conn'], 'little')
    if fields['op'][0] == CONNECTION and number not in connections:
        about = fields_of(data)
        connections[number] = out.add_connection(
            fields['topic'].decode(),
            about['type'].decode().replace('/', '/msg/'),
            msgdef=about['message_definition'].decode(),
            md5sum=about['md5sum'].decode(),
        )
    elif fields['op'][0] == MESSAGE and number in connections:
        sec, nanosec = struct.unpack('<II', fields['time'])
        out.write(connections[number], sec * 10**9 + nanosec, data)
        return 1
    return 0


def inner_records(source: BinaryIO) -> Iterator[tuple[Fields, bytes]]:
    """Yields the connections and messages inside the chunks."""
    for fields, data in records(source):
        if fields['op'][0] != CHUNK:
            continue
        try:
            unpack = UNPACKERS.get(fields['compression'].decode())
            plain = unpack(data) if unpack else b''
        except LimitError:
            raise
        except (OSError, LookupError, ValueError, RuntimeError, EOFError):  # it is damaged
            return
        for inner, content in records(io.BytesIO(plain)):
            if inner['op'][0] in (MESSAGE, CONNECTION):
                yield inner, content


def records(source: BinaryIO) -> Iterator[tuple[Fields, bytes]]:
    """Yields header and data of each record, up to the first incomplete one."""
    while (header := sized(source)) is not None and (data := sized(source)) is not None:
        try:
            fields = fields_of(header)
        except (struct.error, ValueError):
            return
        if not fields.get('op'):
            return
        yield fields, data


def sized(source: BinaryIO) -> bytes | None:
    """Reads four bytes of length and as many bytes; None where the file ends before."""
    head = source.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, 'little')
    data = source.read(size)
    return data if len(data) == size else None


def fields_of(header: bytes) -> Fields:
    """Parses name=value pairs, each preceded by its length. Raises struct.error, ValueError."""
    fields, at = {}, 0
    while at < len(header):
        [size] = struct.unpack_from('<I', header, at)
        name, value = header[at + 4 : at + 4 + size].split(b'=', 1)
        fields[name.decode()] = value
        at += 4 + size
    return fields
