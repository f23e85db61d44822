"""Our reader of image headers against those of libjpeg and libpng, as OpenCV calls them.

OpenCV compares the size in a header with OPENCV_IO_MAX_IMAGE_PIXELS before it decodes, so that it
says what libjpeg and libpng make of a header without decoding large images. A campaign sets the
limit to a few pixels (`ENVIRONMENT`); within pytest it is the package's.
"""

from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np

from mtscene_ros.camera.image_headers import claimed_size, is_cut_off, kind_of

from .fuzz_messages import encoded_seeds
from .fuzz_target import Target

LIMIT = 'OPENCV_IO_MAX_IMAGE_PIXELS'
ENVIRONMENT = {LIMIT: '4096'}
FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class HeaderError(ValueError):
    """Neither reader takes the input for an image."""


def segments(jpeg: bytes) -> list[bytes]:
    """Those before the pixels, which are the last."""
    found, at = [], 2
    while not found or found[-1][1] != 0xDA:
        size = 2 + struct.unpack_from('>H', jpeg, at + 2)[0]
        found.append(jpeg[at : at + size])
        at += size
    found[-1] += jpeg[at:]
    return found


def odd_jpegs() -> list[bytes]:
    """Other orders and bytes between segments, some of which decoders skip."""
    *tables, frame, code, scan = segments(encoded_seeds()[2])
    larger = frame[:5] + struct.pack('>HH', 300, 500) + frame[9:]
    between = [b'\xff\0\0\x40', b'\xff\xff\0', b'\xff\x01', b'\xff\xd0', b'abc', b'\xff\xe1\0\0',
               b'\xff\xfe\0\x08' + larger[:6], b'\xff\xdc\0\x04\0\x09', b'\xff\xc8\0\x02',
               b'\xff\xd8', larger]  # fmt: skip
    head = b'\xff\xd8' + b''.join(tables)
    return [head + odd + frame + code + scan for odd in between] + [head + larger + code + scan]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def odd_pngs() -> list[bytes]:
    """A second header, an animation, a first chunk that is none."""
    png = encoded_seeds()[3]
    header = struct.pack('>IIBBBBB', 500, 300, 8, 2, 0, 0, 0)
    second, animated = png_chunk(b'IHDR', header), png_chunk(b'acTL', struct.pack('>II', 1, 0))
    frame = png_chunk(b'fcTL', struct.pack('>5I2H2B', 0, 500, 300, 0, 0, 1, 10, 0, 0))
    return [
        png[:8] + second + png[8:], png[:33] + second + png[33:], png[:33] + animated + png[33:],
        png[:33] + animated + frame + png[33:], png[:8] + animated + png[8:],
    ]  # fmt: skip


def header_seeds() -> list[bytes]:
    return encoded_seeds() + odd_jpegs() + odd_pngs()


def run_header(data: bytes) -> None:
    """What is decoded has the claimed size, and what is too large to decode claims to be."""
    if not kind_of(data) or is_cut_off(data):
        raise HeaderError('neither JPEG nor PNG, or cut off')
    width_px, height_px = claimed_size(data) or (0, 0)
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), FLAGS)
    except cv2.error as error:
        if 'CV_IO_MAX_IMAGE' in str(error):
            allowed = int(os.environ[LIMIT])
            assert not 0 < width_px * height_px <= allowed, 'decoders read a larger size'
        found = None
    if found is None:
        raise HeaderError('it does not decode')
    assert (width_px, height_px) == found.shape[1::-1]


TARGETS = {
    'image_header': Target(
        header_seeds, run_header, (HeaderError,), None, 1024, 2.0, environment=ENVIRONMENT
    ),
}
