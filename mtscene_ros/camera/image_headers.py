"""Reads what a JPEG or PNG claims before it is decoded: a few bytes can claim gigabytes of
pixels."""

from __future__ import annotations

import struct

# Kind → the first bytes of its files.
BEGINNINGS = {'jpeg': b'\xff\xd8\xff', 'png': b'\x89PNG'}
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# Start of frame, whatever the coding; 0xC4, 0xC8 and 0xCC of that range mean something else.
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
# A progressive file has about ten scans, and each one costs a pass over all pixels even when it is
# empty. This limits scans times pixels: 12 scans of 10 megapixels take about a second.
MAX_SCANNED_PIXELS = 128_000_000
BASELINE_SCANS = 4  # at most one for each channel


def kind_of(data: bytes) -> str:
    """Returns 'jpeg', 'png', or '' for anything else."""
    return next((kind for kind, begin in BEGINNINGS.items() if data.startswith(begin)), '')


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height in the header of a JPEG or PNG, None without a whole header."""
    if kind_of(data) == 'png':
        # The signature, then the first chunk: length, b'IHDR', width, height.
        if data[12:16] != b'IHDR' or len(data) < 24:
            return None
        width_px, height_px = struct.unpack_from('>II', data, 16)
        return width_px, height_px
    return _jpeg_size(data)


def is_grey_file(data: bytes) -> bool:
    """Whether a JPEG or PNG has one channel, with or without alpha."""
    if kind_of(data) == 'png':
        return len(data) > 25 and data[25] in (0, 4)
    at = _frame_at(data)
    return at is not None and data[at + 9 : at + 10] == b'\x01'


def is_cut_off(data: bytes) -> bool:
    """Whether a chunk of a PNG announces more bytes than follow.

    OpenCV allocates memory for them, up to 2 GB, before it reads.
    """
    at = 8
    while kind_of(data) == 'png' and at + 8 <= len(data):
        [length] = struct.unpack_from('>I', data, at)
        if length > len(data) - at - 12:
            return True
        if data[at + 4 : at + 8] == b'IEND':
            return False
        at += 12 + length
    return False


def max_pixels_of(data: bytes) -> float:
    """Returns how many pixels the bytes of a JPEG or PNG can hold at most.

    Deflate compresses by a factor of at most 1032 (each row of a PNG starts with a byte of its
    own); JPEG spends at least one bit on each 8 x 8 block, which covers up to 4 x 4 as many pixels
    in channels of lower resolution.
    """
    if kind_of(data) == 'jpeg':
        return 8.0 * len(data) * 64 * 16
    bits = max(1, data[24]) if len(data) > 25 else 1
    channels = {2: 3, 4: 2, 6: 4}.get(data[25], 1) if len(data) > 25 else 1
    return 8.0 * len(data) * 1032 / (bits * channels)


def scans(data: bytes) -> int:
    """Counts the scans of a JPEG; in pixel data 0xFF is followed by 0, so none counts twice."""
    return data.count(bytes([0xFF, START_OF_SCAN]))


def is_slow(data: bytes, pixels: int) -> bool:
    """Whether a JPEG of so many pixels has unreasonably many scans."""
    count = scans(data) if kind_of(data) == 'jpeg' else 0
    return count > BASELINE_SCANS and count * pixels > MAX_SCANNED_PIXELS


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = _frame_at(data)
    if at is None:
        return None
    height_px, width_px = struct.unpack_from('>HH', data, at + 5)
    return width_px, height_px


def _frame_at(data: bytes) -> int | None:
    """Returns where the header of the frame of a JPEG begins, None without a whole one."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1  # decoders skip bytes between segments
            continue
        marker = data[at + 1]
        if marker == 0xFF or marker in ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in FRAMES and at + 9 <= len(data):
            return at
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            return None
        at += 2 + max(2, struct.unpack_from('>H', data, at + 2)[0])
    return None
