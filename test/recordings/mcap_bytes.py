"""Writes MCAP files byte by byte, as other programs write them. Format: https://mcap.dev/spec."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

MAGIC = b'\x89MCAP0\r\n'


def sized(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack('<I', len(data)) + data


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack('<BQ', opcode, len(content)) + content


@dataclass
class Mcap:
    """profile: of the header. Channels are numbered from 1 as they are added."""

    profile: str = 'ros2'
    channels: bytes = b''
    messages: bytes = b''
    count: int = field(default=0)

    def channel(self, topic: str, kind: str, rule: str | bytes, *encodings: str) -> int:
        """Adds a schema and its channel; encodings: of messages and of the schema."""
        encoding, schema_encoding = encodings or ('cdr', 'ros2msg')
        self.count += 1
        schema = struct.pack('<H', self.count) + sized(kind) + sized(schema_encoding) + sized(rule)
        about = struct.pack('<HH', self.count, self.count) + sized(topic) + sized(encoding)
        self.channels += record(0x03, schema) + record(0x04, about + sized(b''))
        return self.count

    def message(self, channel: int, log_ns: int, data: bytes) -> None:
        content = struct.pack('<HIQQ', channel, 0, log_ns, log_ns) + data
        self.messages += record(0x05, content)

    def write(self, path: Path, *, chunked: bool = False, share: float = 1.0) -> Path:
        """Writes the file without a summary; share: of the chunk, after which the file is cut."""
        data = self.channels + self.messages
        if chunked:
            about = struct.pack('<QQQI', 0, 2**62, len(data), 0) + sized('')
            data = record(0x06, about + struct.pack('<Q', len(data)) + data)
        head = MAGIC + record(0x01, sized(self.profile) + sized('test'))
        end = record(0x0F, bytes(4)) + record(0x02, bytes(20)) + MAGIC
        kept = data[: int(share * len(data))]
        path.write_bytes(head + kept + (end if share == 1 else b''))
        return path
