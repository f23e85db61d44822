"""Decompresses what recordings contain, whole or as far as it was written, up to a limit.

Chunks say how large they are; nobody checks that before they are decompressed, and 33 KB of zstd
can hold a gigabyte.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtscene_ros.models.limits import LimitError, limit, max_bytes

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
CHUNK, FILE = 'MTSCENE_MAX_CHUNK_MB', 'MTSCENE_MAX_FILE_MB'
PIECE_BYTES = 1 << 22
MAX_FRAMES = 1000  # of a chunk: what follows each is copied


def zstd_stream() -> Any:
    """Returns an object whose `decompress` takes bytes piece by piece."""
    try:
        from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
    except ImportError:
        from backports import zstd  # comes with rosbags
    return zstd.ZstdDecompressor()


def lz4_stream() -> Any:
    import lz4.frame  # comes with rosbags

    return lz4.frame.LZ4FrameDecompressor()


def unpacked_up_to(stream: Callable[[], Any], data: bytes, most: int) -> bytes:
    """Returns the content of all frames, or of the part of them that is there.

    stream: makes a decompressor of one frame. Raises LimitError beyond `most` bytes.
    """
    pieces: list[bytes] = []
    size = 0
    while data:
        if len(pieces) == MAX_FRAMES:
            raise ValueError(f'more than {MAX_FRAMES} frames')
        frame = stream()
        piece = frame.decompress(data, most - size + 1)
        size += len(piece)
        pieces.append(piece)
        if size > most:
            raise LimitError(
                f'A chunk or message of the recording takes more than the {limit(CHUNK):g} MB '
                f'that {CHUNK} allows; raise it if you trust the recording.'
            )
        data = frame.unused_data if frame.eof else b''
    return b''.join(pieces)


def unpack_zstd(data: bytes, most: int | None = None) -> bytes:
    """See `unpacked_up_to`; most: default MTSCENE_MAX_CHUNK_MB."""
    return unpacked_up_to(zstd_stream, data, max_bytes(CHUNK) if most is None else most)


def unpack_lz4(data: bytes, most: int | None = None) -> bytes:
    """See `unpack_zstd`."""
    return unpacked_up_to(lz4_stream, data, max_bytes(CHUNK) if most is None else most)


def unpack_bz2(data: bytes, most: int | None = None) -> bytes:
    """See `unpack_zstd`."""
    return unpacked_up_to(bz2.BZ2Decompressor, data, max_bytes(CHUNK) if most is None else most)


# Compression of a chunk of MCAP or ROS 1 → how to undo it.
UNPACKERS: dict[str, Callable[[bytes], bytes]] = {
    '': bytes,
    'none': bytes,
    'zstd': unpack_zstd,
    'lz4': unpack_lz4,
    'bz2': unpack_bz2,
}


def unpack_file(path: Path, into: Path) -> None:
    """Decompresses a .zstd file as far as it goes. Raises LimitError."""
    stream, left = zstd_stream(), max_bytes(FILE)
    with path.open('rb') as source, into.open('wb') as out:
        while not stream.eof:
            data = source.read(PIECE_BYTES) if stream.needs_input else b''
            if stream.needs_input and not data:
                return
            piece = stream.decompress(data, PIECE_BYTES)
            left -= len(piece)
            if left < 0:
                raise LimitError(
                    f'{path.name} takes more than the {limit(FILE):g} MB that {FILE} allows when '
                    'it is decompressed; raise it if you trust the recording.'
                )
            out.write(piece)
