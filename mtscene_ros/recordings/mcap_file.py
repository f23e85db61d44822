"""Reads MCAP files as people have them: of any profile, with channels of any encoding, with or
without an index, cut off anywhere."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)

from mtscene_ros.recordings.mcap_index import (
    MESSAGE,
    Chunk,
    McapChannel,
    McapIndex,
    index_of,
    records_in,
    unpacked,
)

FORMATS = {
    'ros2msg': MessageDefinitionFormat.MSG,
    'ros2idl': MessageDefinitionFormat.IDL,
    'omgidl': MessageDefinitionFormat.IDL,
}
Item = tuple[Connection, int, bytes]


class McapFile:
    """One MCAP file, with the methods of rosbags' readers.

    connections: one for each channel in CDR; foreign: topic → how its messages are encoded
    otherwise; is_cut: whether the file ends too early; start_time, end_time: of its messages, in
    nanoseconds, the end excluded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.foreign: dict[str, str] = {}
        self._index = McapIndex()

    def open(self) -> None:
        """Raises McapError, OSError."""
        self._file: BinaryIO = self.path.open('rb')
        try:
            self._index = index_of(self._file, self.path.stat().st_size)
        except BaseException:
            self._file.close()
            raise
        for number, channel in self._index.channels.items():
            if is_cdr(channel):
                self.connections.append(self._connection(number, channel))
            else:
                self.foreign[channel.topic] = channel.encoding or channel.schema_encoding

    def close(self) -> None:
        """Closes the file; what was read of its contents stays."""
        self._file.close()

    @property
    def is_cut(self) -> bool:
        return self._index.is_cut

    @property
    def start_time(self) -> int:
        return self._index.start_ns

    @property
    def end_time(self) -> int:
        return self._index.end_ns + 1

    def messages(
        self,
        connections: Collection[Connection] = (),
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[Item]:
        """Yields connection, log time in nanoseconds and bytes of each message, by time.

        start, stop: the earliest time, and the one before which it ends. Raises McapError where a
        chunk is damaged.
        """
        wanted = {c.id: c for c in connections or self.connections}
        since, until = start or 0, 2**64 if stop is None else stop
        # Chunks may overlap in time: a message waits until no earlier one can follow.
        waiting: list[tuple[int, int, int, bytes]] = []
        order = 0
        for chunk in sorted(self._index.chunks, key=lambda chunk: chunk.start_ns):
            if chunk.end_ns < since or chunk.start_ns >= until:
                continue
            while waiting and waiting[0][0] < chunk.start_ns:
                log_ns, _, number, data = heapq.heappop(waiting)
                yield wanted[number], log_ns, data
            for number, log_ns, view in self._messages_of(chunk):
                if number in wanted and since <= log_ns < until:
                    heapq.heappush(waiting, (log_ns, order, number, bytes(view)))
                    order += 1
        while waiting:
            log_ns, _, number, data = heapq.heappop(waiting)
            yield wanted[number], log_ns, data

    def _messages_of(self, chunk: Chunk) -> Iterator[tuple[int, int, memoryview]]:
        """Yields channel, log time and bytes."""
        self._file.seek(chunk.at)
        content = self._file.read(chunk.size)
        records: Iterator[tuple[int, memoryview]] = iter([(MESSAGE, memoryview(content))])
        if not chunk.is_message:
            records = records_in(unpacked(content, chunk.at, is_whole=chunk.is_whole))
        for opcode, record in records:
            if opcode == MESSAGE:
                number, _, log_ns = struct.unpack_from('<HIQ', record)
                yield number, log_ns, record[22:]

    def _connection(self, number: int, channel: McapChannel) -> Connection:
        form = FORMATS.get(channel.schema_encoding, MessageDefinitionFormat.NONE)
        rule = channel.schema.decode(errors='replace').strip()
        if not rule:
            form = MessageDefinitionFormat.NONE
        return Connection(
            number,
            channel.topic,
            channel.kind,
            MessageDefinition(form, channel.schema.decode(errors='replace') if rule else ''),
            '',
            self._index.counts[number],
            ConnectionExtRosbag2('cdr', []),
            self,
        )


def is_cdr(channel: McapChannel) -> bool:
    """Whether a channel has ROS 2's messages; some writers leave the encoding empty."""
    return channel.encoding == 'cdr' or (
        not channel.encoding and channel.schema_encoding in FORMATS
    )
