"""What an MCAP file contains and where, from its summary or from a scan of the whole file.

Format: https://mcap.dev/spec. What begins whole is read; a cut chunk as far as it goes.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from mtscene_ros.models.limits import LimitError
from mtscene_ros.recordings.unpack import UNPACKERS

MAGIC = b'\x89MCAP0\r\n'
# Opcodes of the records that matter here.
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, CHUNK_INDEX = 0x02, 0x03, 0x04, 0x05, 0x06, 0x08
STATISTICS, DATA_END = 0x0B, 0x0F
FOOTER_BYTES = 9 + 20 + len(MAGIC)
LATEST_NS = 2**63 - 1


class McapError(ValueError):
    """The file is no MCAP file or is damaged; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of messages, or one message outside of chunks.

    start_ns, end_ns: log times of its first and last message; at, size: the content of its record,
    in bytes; is_whole: false for the last one of a file that was cut.
    """

    start_ns: int
    end_ns: int
    at: int
    size: int
    is_message: bool = False
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class McapChannel:
    """A topic; encoding: of its messages; kind, schema_encoding, schema: of their definition."""

    topic: str
    encoding: str
    kind: str
    schema_encoding: str
    schema: bytes


@dataclass(slots=True)
class McapIndex:
    """counts: messages by number of their channel; chunk_count: as the statistics say."""

    schemas: dict[int, tuple[str, str, bytes]] = field(default_factory=dict)
    channels: dict[int, McapChannel] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    chunk_count: int = -1
    start_ns: int = LATEST_NS
    end_ns: int = 0
    is_cut: bool = False

    def note(self, opcode: int, record: memoryview) -> None:
        """Takes up a schema, a channel, the index of a chunk or the statistics."""
        if opcode == SCHEMA:
            [number] = struct.unpack_from('<H', record)
            kind, at = text(record, 2)
            encoding, at = text(record, at)
            self.schemas[number] = kind, encoding, sized(record, at)[0]
        elif opcode == CHANNEL:
            number, schema = struct.unpack_from('<HH', record)
            topic, at = text(record, 4)
            encoding = text(record, at)[0]
            found = self.schemas.get(schema, ('', '', b''))
            self.channels.setdefault(number, McapChannel(topic, encoding, *found))
        elif opcode == CHUNK_INDEX:
            start_ns, end_ns, at, length = struct.unpack_from('<4Q', record)
            self.chunks.append(Chunk(start_ns, end_ns, at + 9, length - 9))
        elif opcode == STATISTICS:
            about = struct.unpack_from('<QHIIIIQQ', record)
            self.chunk_count, self.start_ns, self.end_ns = about[5:]
            for at in range(46, len(record) - 9, 10):
                number, count = struct.unpack_from('<HQ', record, at)
                self.counts[number] = count

    def count(self, number: int, log_ns: int) -> None:
        """Takes up one message."""
        self.counts[number] += 1
        self.start_ns, self.end_ns = min(self.start_ns, log_ns), max(self.end_ns, log_ns)


def index_of(file: BinaryIO, size: int) -> McapIndex:
    """Reads the summary, or the whole file of `size` bytes where there is none.

    Raises McapError where nothing can be read.
    """
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise McapError('it does not begin as an MCAP file does')
    found = summary_of(file, size) or scanned(file, size)
    if not found.channels and found.is_cut:
        raise McapError('no channel can be read from it')
    return found


def summary_of(file: BinaryIO, size: int) -> McapIndex | None:
    """Returns the index by the summary, None where that is not there or does not tell all."""
    file.seek(max(0, size - FOOTER_BYTES))
    footer = file.read(FOOTER_BYTES)
    if len(footer) < FOOTER_BYTES or not footer.endswith(MAGIC):
        return None
    opcode, length, at = struct.unpack_from('<BQQ', footer)
    if (opcode, length) != (FOOTER, 20) or not 0 < at < size - FOOTER_BYTES:
        return None
    file.seek(at)
    found = McapIndex()
    try:
        for kind, record in records_in(memoryview(file.read(size - FOOTER_BYTES - at))):
            found.note(kind, record)
    except (struct.error, ValueError, IndexError):
        return None
    tells_all = (
        found.chunk_count == len(found.chunks) and found.counts.keys() <= found.channels.keys()
    )
    return found if tells_all and found.chunks else None


def scanned(file: BinaryIO, size: int) -> McapIndex:
    """Returns the index by reading every record up to the end of the data or of the file."""
    found, at = McapIndex(is_cut=True), len(MAGIC)
    while at + 9 <= size:
        file.seek(at)
        opcode, length = struct.unpack('<BQ', file.read(9))
        at += 9
        if opcode in (DATA_END, FOOTER):
            found.is_cut = False
            break
        rest = min(length, size - at)
        try:
            if opcode == CHUNK:
                take_chunk(found, file.read(rest), at, is_whole=rest == length)
            elif rest < length:
                break
            elif opcode == MESSAGE:
                number, _, log_ns = struct.unpack('<HIQ', file.read(14))
                found.count(number, log_ns)
                found.chunks.append(Chunk(log_ns, log_ns, at, length, is_message=True))
            else:
                found.note(opcode, memoryview(file.read(length)))
        except LimitError:
            raise
        except (struct.error, ValueError, IndexError):
            break
        at += length
    return found


def take_chunk(found: McapIndex, content: bytes, at: int, *, is_whole: bool) -> None:
    """Takes up what a chunk contains."""
    first_ns, last_ns = LATEST_NS, 0
    for opcode, record in records_in(unpacked(content, at, is_whole=is_whole)):
        if opcode == MESSAGE:
            number, _, log_ns = struct.unpack_from('<HIQ', record)
            found.count(number, log_ns)
            first_ns, last_ns = min(first_ns, log_ns), max(last_ns, log_ns)
        else:
            found.note(opcode, record)
    if last_ns or first_ns < LATEST_NS:
        found.chunks.append(Chunk(first_ns, last_ns, at, len(content), is_whole=is_whole))


def unpacked(content: bytes, at: int, *, is_whole: bool = True) -> memoryview:
    """Returns the records of a chunk; of one that is not whole, as many as there are.

    at: where it begins in the file, for the error. Raises McapError.
    """
    _, _, size, checksum = struct.unpack_from('<QQQI', content)
    compression, start = text(memoryview(content), 28)
    if compression not in UNPACKERS:
        raise McapError(f'its chunks are compressed by {compression}, which is not known here')
    try:
        data = UNPACKERS[compression](content[start + 8 :])
    except LimitError:
        raise
    except Exception as error:  # of three libraries
        raise McapError(f'the chunk at byte {at} does not decompress') from error
    if is_whole and (len(data) != size or (checksum and zlib.crc32(data) != checksum)):
        raise McapError(f'the chunk at byte {at} is damaged')
    return memoryview(data)


def records_in(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields opcode and content of each whole record."""
    at = 0
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from('<BQ', data, at)
        at += 9 + length
        if at > len(data):
            return
        yield opcode, data[at - length : at]


def text(record: memoryview, at: int) -> tuple[str, int]:
    """Returns a string and where the next field begins."""
    data, end = sized(record, at)
    return data.decode(errors='replace'), end


def sized(record: memoryview, at: int) -> tuple[bytes, int]:
    """Returns bytes preceded by their number and where the next field begins."""
    [length] = struct.unpack_from('<I', record, at)
    if at + 4 + length > len(record):
        raise McapError('a record is shorter than it says')
    return bytes(record[at + 4 : at + 4 + length]), at + 4 + length
