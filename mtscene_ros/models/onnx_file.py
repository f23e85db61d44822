"""Reads metadata and precision of an ONNX file without a runtime or the onnx package.

An ONNX file is one protobuf message (ModelProto). Its field 14, metadata_props, holds messages
with a key (field 1) and a value (field 2); its field 7 is the graph, whose field 5 holds the
weights (TensorProto: dims 1, data_type 2). Everything else is skipped unread.
"""

from __future__ import annotations

import io
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

GRAPH, METADATA_PROPS = 7, 14  # fields of ModelProto
INITIALIZER = 5  # of GraphProto
DIMS, DATA_TYPE = 1, 2  # of TensorProto
PRECISIONS = {1: 'fp32', 3: 'int8', 10: 'fp16', 16: 'bf16'}  # TensorProto.DataType
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Tags have 32 bits and lengths 31, in five bytes at most. What is longer some versions of protobuf
# cut and others refuse, so that a field could be hidden from us.
MAX_TAG, MAX_LENGTH, MAX_SHORT_BYTES = 2**32 - 1, 2**31 - 1, 5
MAX_AXES = 64  # of a tensor
MAX_ENTRY_BYTES = 16 << 20  # of one metadata entry; ours are shorter


@dataclass(frozen=True, slots=True)
class Field:
    """One field; value: of a VARINT; start, end: byte offsets in the file of any other."""

    number: int
    wire: int
    value: int = 0
    start: int = 0
    end: int = 0


def metadata_of(path: Path) -> dict[str, str]:
    """Returns key → value. Raises OSError, and ValueError for a file that is not protobuf."""
    found: dict[str, str] = {}
    with path.open('rb') as file:
        for field in fields(file, 0, os.fstat(file.fileno()).st_size):
            size = field.end - field.start
            if (field.number, field.wire) == (METADATA_PROPS, BYTES) and size <= MAX_ENTRY_BYTES:
                entry = strings(content(file, field))
                found[entry.get(1, '')] = entry.get(2, '')
    return found


def precision_of(path: Path) -> str:
    """Returns the format of most weights: 'fp32', 'fp16', 'bf16' or 'int8'.

    Strongly typed runtimes compute in that format. Raises what `metadata_of` raises.
    """
    counts: Counter[str] = Counter()
    with path.open('rb') as file:
        for graph in fields(file, 0, os.fstat(file.fileno()).st_size):
            if (graph.number, graph.wire) != (GRAPH, BYTES):
                continue
            for tensor in fields(file, graph.start, graph.end):
                if (tensor.number, tensor.wire) == (INITIALIZER, BYTES):
                    counts += weights(file, tensor)
    return max(counts, key=lambda kind: counts[kind], default='fp32')


def weights(file: BinaryIO, tensor: Field) -> Counter[str]:
    """Returns precision → number of values of one TensorProto; empty for integers."""
    shape: list[int] = []
    kind = 0
    for field in fields(file, tensor.start, tensor.end):
        if field.number == DIMS and field.wire == VARINT:
            shape.append(field.value)
        elif field.number == DIMS and field.wire == BYTES:  # packed
            packed = io.BytesIO(content(file, field))
            while packed.tell() < field.end - field.start and len(shape) <= MAX_AXES:
                shape.append(varint(packed))
        elif field.number == DATA_TYPE:
            kind = field.value
        if len(shape) > MAX_AXES:
            raise ValueError(f'a tensor has more than {MAX_AXES} axes')
    return Counter({PRECISIONS[kind]: math.prod(shape)} if kind in PRECISIONS else {})


def fields(file: BinaryIO, start: int, end: int) -> Iterator[Field]:
    """Yields the fields of the message between two byte offsets; their content is not read."""
    at = start
    while at < end:
        file.seek(at)
        number, wire = divmod(short(file, MAX_TAG), 8)
        if number == 0:
            raise ValueError(f'not a protobuf message: field 0 at byte {at}')
        if wire == VARINT:
            field = Field(number, wire, varint(file))
            at = file.tell()
        elif wire in (FIXED64, FIXED32, BYTES):
            length = {FIXED64: 8, FIXED32: 4}.get(wire) or short(file, MAX_LENGTH)
            first, at = file.tell(), file.tell() + length
            field = Field(number, wire, 0, first, at)
        else:
            raise ValueError(f'not a protobuf message: wire type {wire} at byte {file.tell()}')
        if at > end:
            raise ValueError(f'cut off: a field that ends at byte {at} of {end}')
        yield field


def content(file: BinaryIO, field: Field) -> bytes:
    file.seek(field.start)
    return file.read(field.end - field.start)


def varint(file: BinaryIO) -> int:
    """Reads a number of seven bits per byte, lowest first; the top bit says that more follow."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError('cut off within a number')
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError('not a protobuf message: a number of more than ten bytes')


def short(file: BinaryIO, most: int) -> int:
    """Reads the number of a tag or a length. Raises ValueError for one that is too long."""
    start = file.tell()
    value = varint(file)
    if value > most or file.tell() - start > MAX_SHORT_BYTES:
        raise ValueError(f'not a protobuf message: the number {value} at byte {start}')
    return value


def strings(message: bytes, errors: str = 'replace') -> dict[int, str]:
    """Returns field number → text of a message that holds only strings.

    errors: as in bytes.decode, for text that is not UTF-8.
    """
    file, found = io.BytesIO(message), {}
    for field in fields(file, 0, len(message)):
        if field.wire != BYTES:
            raise ValueError(f'not a protobuf message: wire type {field.wire} in a metadata entry')
        found[field.number] = content(file, field).decode('utf-8', errors)
    return found
