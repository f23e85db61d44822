"""Palette PNGs, whose indices are class ids: OpenCV would return their colours."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.image_headers import kind_of
from mtscene_ros.camera.images import ImageError, check_claims

PALETTE, GREY = 3, 0  # colour types (PNG specification, section 11.2.2)
DROPPED = (b'PLTE', b'tRNS', b'bKGD', b'hIST', b'sPLT', b'sBIT')
SIGNATURE_BYTES = 8


def palette_indices(path: Path) -> NDArray[np.uint8] | None:
    """Returns the (H, W) indices of a palette PNG, None for any other file.

    The file is read as grey: its values are the indices, which OpenCV stretches to 0 to 255 where
    they have fewer than 8 bits. Raises ImageError and OSError.
    """
    if not path.is_file():
        return None
    with path.open('rb') as file:
        head = file.read(26)
    if kind_of(head) != 'png' or len(head) < 26 or head[25] != PALETTE:
        return None
    raw = path.read_bytes()
    check_claims(raw)
    bits = raw[24]
    try:
        found = cv2.imdecode(np.frombuffer(as_grey(raw), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        found = None
    if found is None or found.ndim != 2 or bits not in (1, 2, 4, 8):
        raise ImageError(f'{path} is a palette PNG that does not decode; it is damaged.')
    return np.asarray(found // (255 // (2**bits - 1)), np.uint8)


def as_grey(raw: bytes) -> bytes:
    """Returns the PNG with another colour type and without its palette."""
    parts, at = [raw[:SIGNATURE_BYTES]], SIGNATURE_BYTES
    while at + 12 <= len(raw):
        length, kind = struct.unpack_from('>I4s', raw, at)
        content = raw[at + 8 : at + 8 + length]
        if kind == b'IHDR':
            content = content[:9] + bytes([GREY]) + content[10:]
        if kind not in DROPPED:
            checksum = struct.pack('>I', zlib.crc32(kind + content))
            parts.append(struct.pack('>I', length) + kind + content + checksum)
        at += 12 + length
    return b''.join(parts)
