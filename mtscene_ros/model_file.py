"""Metadata of an ONNX file without a runtime or the onnx package.

An ONNX file is one protobuf message (ModelProto); its field 14, metadata_props, holds messages of
a key (field 1) and a value (field 2). Everything else is stepped over without being read.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

METADATA_PROPS = 14
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MOST_BYTES = 16 << 20  # of one entry; a longer one is not ours


def metadata_of(path: Path) -> dict[str, str]:
    """Key → value. Raises OSError, and ValueError where the file is no protobuf message."""
    found: dict[str, str] = {}
    with path.open('rb') as file:
        size = os.fstat(file.fileno()).st_size
        while file.tell() < size:
            field, content = next_field(file, size)
            if field == METADATA_PROPS and content is not None:
                entry = strings(content)
                found[entry.get(1, '')] = entry.get(2, '')
    return found


def next_field(file: BinaryIO, size: int) -> tuple[int, bytes | None]:
    """Number of the field at the file's position; its bytes if it is an entry of the metadata."""
    field, wire = divmod(varint(file), 8)
    if wire == VARINT:
        varint(file)
        return field, None
    if wire not in (FIXED64, FIXED32, BYTES):
        raise ValueError(f'no protobuf message: wire type {wire} at byte {file.tell()}')
    length = {FIXED64: 8, FIXED32: 4}.get(wire) or (varint(file) if wire == BYTES else 0)
    if file.tell() + length > size:
        raise ValueError(f'cut off: a field of {length} bytes at byte {file.tell()} of {size}')
    if field == METADATA_PROPS and wire == BYTES and length <= MOST_BYTES:
        return field, file.read(length)
    file.seek(length, os.SEEK_CUR)
    return field, None


def varint(file: BinaryIO) -> int:
    """Seven bits to a byte, lowest first; the top bit says that more follow."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError('cut off within a number')
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError('no protobuf message: a number of more than ten bytes')


def strings(message: bytes) -> dict[int, str]:
    """Field → text of a message that holds strings only."""
    file, found = io.BytesIO(message), {}
    while file.tell() < len(message):
        field, wire = divmod(varint(file), 8)
        if wire != BYTES:
            raise ValueError(f'no protobuf message: wire type {wire} in a metadata entry')
        found[field] = file.read(varint(file)).decode('utf-8', 'replace')
    return found
