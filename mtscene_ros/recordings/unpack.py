"""Decompresses what recordings contain, whole or as far as it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
CHUNK_BYTES = 1 << 22


def zstd_stream() -> Any:
    """Returns an object whose `decompress` takes bytes piece by piece."""
    try:
        from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
    except ImportError:
        try:
            from backports import zstd  # comes with rosbags
        except ImportError:  # rosbags before 0.11
            import zstandard  # type: ignore[import-not-found]

            return zstandard.ZstdDecompressor().decompressobj()
    return zstd.ZstdDecompressor()


def unpack_zstd(data: bytes) -> bytes:
    """Returns the content of a frame, or of the part of it that is there."""
    return bytes(zstd_stream().decompress(data))


def unpack_lz4(data: bytes) -> bytes:
    """Returns the content of a frame, or of the part of it that is there."""
    import lz4.frame  # comes with rosbags

    return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data))


# Compression of an MCAP chunk → how to undo it.
UNPACKERS: dict[str, Callable[[bytes], bytes]] = {
    '': bytes,
    'none': bytes,
    'zstd': unpack_zstd,
    'lz4': unpack_lz4,
}


def unpack_file(path: Path, into: Path) -> None:
    """Decompresses a .zstd file as far as it goes."""
    stream = zstd_stream()
    with path.open('rb') as source, into.open('wb') as out:
        while (data := source.read(CHUNK_BYTES)) and not getattr(stream, 'eof', False):
            out.write(stream.decompress(data))
