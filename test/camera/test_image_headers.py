"""What headers of JPEG and PNG say, byte by byte, and what is refused before it is decoded."""

import struct

import numpy as np
import pytest

from mtscene_ros.camera.image_headers import (
    claimed_size,
    is_cut_off,
    kind_of,
    max_pixels_of,
    scans,
)
from mtscene_ros.camera.images import (
    ImageError,
    check_claims,
    check_size,
    rgb_from_image,
    shortened,
)

SOI, SOS, EOI = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'


def chunk(name: bytes, data: bytes, more: int = 0) -> bytes:
    """more: bytes that it announces and has not."""
    return struct.pack('>I', len(data) + more) + name + data + bytes(4)


def png(width: int, height: int, bits: int = 8, colour: int = 0, rest: bytes = b'') -> bytes:
    header = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + rest


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack('>H', len(data) + 2) + data


def frame(width: int, height: int, marker: int = 0xC0) -> bytes:
    return segment(marker, b'\x08' + struct.pack('>HH', height, width) + bytes(10))


APP0 = segment(0xE0, b'JFIF\0')


def test_kinds() -> None:
    assert (kind_of(png(1, 1)), kind_of(SOI + APP0), kind_of(b'GIF8')) == ('png', 'jpeg', '')


@pytest.mark.parametrize(
    'data',
    [
        png(640, 480),
        png(640, 480)[:24],
        SOI + frame(640, 480),
        SOI + APP0 + frame(640, 480, 0xC2),
        SOI + APP0 + frame(640, 480, 0xCF)[:9],
        SOI + segment(0xC4, bytes(20)) + frame(640, 480),  # a Huffman table is no frame
        SOI + segment(0xC8, bytes(20)) + segment(0xCC, bytes(20)) + frame(640, 480),
        SOI + b'\xff\xff\xff' + frame(640, 480),  # fill bytes
        # 0xFF 0x00 has no length either: what follows it is not skipped.
        SOI + b'\xff\0\0\x20' + frame(640, 480) + frame(64, 32),
        SOI + b'\xff\xff\0\0\x20' + frame(640, 480) + frame(64, 32),
        SOI + b'\xff\x01\xff\xd0\xff\xd8' + frame(640, 480),  # markers without a length
        SOI + b'\x12\x34\x56' + frame(640, 480),
        SOI + b'\xff\xe1\0\0' + frame(640, 480),  # a length too short to be one
    ],
)
def test_sizes_of_headers(data: bytes) -> None:
    assert claimed_size(data) == (640, 480)


@pytest.mark.parametrize(
    'data',
    [
        png(640, 480)[:23],
        png(640, 480).replace(b'IHDR', b'IDAT'),
        SOI + SOS + bytes(2) + frame(640, 480),  # pixels before their size
        SOI + EOI + bytes(2) + frame(640, 480),
        SOI + frame(640, 480)[:8],
        SOI + APP0,
        SOI + b'\xff',
        SOI + segment(0xE0, bytes(50))[:-10],
    ],
)
def test_headers_without_a_size(data: bytes) -> None:
    assert claimed_size(data) is None


def test_a_chunk_that_announces_too_much_is_cut_off() -> None:
    whole = png(1, 1, rest=chunk(b'IDAT', bytes(7)))
    assert not is_cut_off(whole)
    assert is_cut_off(whole[:-1])
    assert is_cut_off(png(1, 1, rest=chunk(b'tEXt', bytes(7)) + chunk(b'IDAT', bytes(7), more=1)))
    ended = chunk(b'IEND', b'') + chunk(b'IDAT', b'', more=9)
    assert not is_cut_off(png(1, 1, rest=ended))  # nobody reads what follows the end
    assert not is_cut_off(whole + bytes(7))  # too short for a chunk
    assert is_cut_off(whole + chunk(b'IDAT', b'', more=1)[:8])
    assert not is_cut_off(SOI + b'\xff' * 100)


@pytest.mark.parametrize(
    ('bits', 'colour', 'channels'),
    [(8, 0, 1), (16, 0, 1), (1, 3, 1), (8, 2, 3), (8, 4, 2), (16, 6, 4), (0, 0, 1)],
)
def test_deflate_shortens_by_1032_at_most(bits: int, colour: int, channels: int) -> None:
    data = png(9, 9, bits, colour)
    assert max_pixels_of(data) == 33 * 8 * 1032 / (max(1, bits) * channels)


def test_headers_too_short_to_say_what_a_pixel_takes() -> None:
    assert max_pixels_of(png(9, 9, 8, 2)[:25]) == 25 * 8 * 1032
    assert max_pixels_of(png(9, 9, 8, 2)[:26]) == 26 * 8 * 1032 / (8 * 3)


def test_scans_are_counted() -> None:
    assert scans(SOI + 3 * (SOS + b'\xff\0')) == 3


def refusal(data: bytes, max_pixels: int = 64_000_000) -> str:
    with pytest.raises(ImageError) as caught:
        check_claims(data, max_pixels)
    return str(caught.value)


def test_claims_that_bytes_cannot_hold_are_refused() -> None:
    check_claims(png(33 * 1032, 1))  # a whole header is 33 bytes
    sentence = refusal(png(33 * 1032 + 1, 1))
    assert 'claims 34057x1 pixels, but its 33 bytes cannot hold them' in sentence
    jpeg = SOI + frame(1024, 300) + bytes(15)
    assert 'claims 1024x300 pixels, but its 36 bytes' in refusal(jpeg)
    check_claims(jpeg + bytes(2))  # 38 bytes of 8192 pixels; 37.5 are needed


def test_a_header_without_a_size_is_refused() -> None:
    assert 'does not decode; it is damaged: cut off' in refusal(SOI + APP0)
    assert '(png, 44 bytes)' in refusal(png(1, 1, rest=chunk(b'IDAT', bytes(7)))[:-8])


def test_images_larger_than_allowed_are_refused_by_their_header() -> None:
    check_claims(png(8, 6), 48)
    assert 'Image size 8x6 is not between 1 and 47 pixels' in refusal(png(8, 6), 47)
    assert 'Image size 0x6' in refusal(png(0, 6))


def test_many_scans_of_many_pixels_are_refused() -> None:
    jpeg = SOI + frame(6000, 5000) + bytes(4000)
    check_claims(jpeg + 4 * SOS)
    assert '(jpeg, 6000x5000 pixels) has 5 scans' in refusal(jpeg + 5 * SOS)


@pytest.mark.parametrize('size', [(0, 5), (5, 0), (-1, -5), (5, 3)])
def test_sizes_that_are_none(size: tuple[int, int]) -> None:
    check_size(1, 1)
    check_size(7, 2, 14)
    with pytest.raises(ImageError, match=f'Image size {size[0]}x{size[1]} is not'):
        check_size(*size, 14)


def test_text_from_outside_is_shortened() -> None:
    assert shortened('x' * 40) == repr('x' * 40)
    assert shortened('x' * 41) == repr('x' * 40 + '...')


def test_an_image_of_one_row_and_of_wrong_sizes() -> None:
    data = np.arange(12, dtype=np.uint8)
    assert rgb_from_image('rgb8', 4, 1, 12, False, data).tolist() == data.reshape(1, 4, 3).tolist()
    with pytest.raises(ImageError, match='2 rows of step 12 need 24; the message is truncated'):
        rgb_from_image('rgb8', 4, 2, 12, False, data)
    with pytest.raises(ImageError, match='but 5 px of rgb8 need 15'):
        rgb_from_image('rgb8', 5, 1, 12, False, data)
    with pytest.raises(ImageError, match='needs even sizes, not 4x3'):
        rgb_from_image('nv12', 4, 3, 4, False, np.zeros(24, np.uint8))
    rgb_from_image('yuyv', 4, 1, 8, False, np.zeros(8, np.uint8))  # pairs lie side by side
