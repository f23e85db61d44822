"""Small videos whose times, rotation and end are known, written and patched byte by byte.

MP4 as in ISO/IEC 14496-12: boxes of a 32-bit length and four letters.
"""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

UPRIGHT = struct.pack('>9i', 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
CLOCKWISE = struct.pack('>9i', 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
OUTER = ('moov', 'trak', 'mdia', 'minf', 'stbl')  # around the table of times


def write_video(
    path: Path, count: int, rate_hz: float = 10.0, size: tuple[int, int] = (64, 32)
) -> Path:
    """Image k has the red value 4 k in its left half and is black on the right."""
    code = cv2.VideoWriter.fourcc(*('MJPG' if path.suffix == '.avi' else 'mp4v'))
    writer = cv2.VideoWriter(str(path), code, rate_hz, size)
    for k in range(count):
        bgr = np.zeros((size[1], size[0], 3), np.uint8)
        bgr[:, : size[0] // 2, 2] = 4 * k
        writer.write(bgr)
    writer.release()
    return path


def turn(path: Path) -> None:
    """Sets the rotation flag of the track (tkhd): show it a quarter turn clockwise."""
    raw = path.read_bytes()
    at = raw.index(UPRIGHT, raw.index(b'tkhd'))
    path.write_bytes(raw[:at] + CLOCKWISE + raw[at + len(CLOCKWISE) :])


def set_steps(path: Path, steps: list[tuple[int, int]]) -> None:
    """Replaces the times (stts) by (number of images, ticks until the next one)."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b'stts') - 4
    (length,) = struct.unpack_from('>I', raw, at)
    table = b''.join(struct.pack('>II', *step) for step in steps)
    box = struct.pack('>I4sII', 16 + len(table), b'stts', 0, len(steps)) + table
    raw[at : at + length] = box
    for name in OUTER:  # the index follows the images, so that no offset changes
        where = raw.index(name.encode()) - 4
        (outer,) = struct.unpack_from('>I', raw, where)
        struct.pack_into('>I', raw, where, outer + len(box) - length)
    path.write_bytes(raw.replace(b'edts', b'free'))  # an edit list would end it as before


def ticks_per_s(path: Path) -> int:
    """The time scale of the track (mdhd)."""
    raw = path.read_bytes()
    return int(struct.unpack_from('>I', raw, raw.index(b'mdhd') + 16)[0])
