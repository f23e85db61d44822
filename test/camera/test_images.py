from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtscene_ros.camera import images
from mtscene_ros.camera.image_headers import START_OF_SCAN, is_slow, max_pixels_of
from mtscene_ros.camera.images import (
    ENCODINGS,
    ImageError,
    decoded,
    guesses,
    rgb_from_compressed,
    rgb_from_image,
)


def decode(encoding: str, rows: object, dtype: type = np.uint8, big: bool = False) -> np.ndarray:
    plane = np.array(rows, dtype)
    height = 2
    data = np.frombuffer(plane.tobytes(), np.uint8)
    width = 4 if plane.ndim == 2 and 'yuv' not in encoding else plane.shape[1]
    return rgb_from_image(encoding, width, height, data.size // len(plane), big, data)


@pytest.mark.parametrize(
    ('encoding', 'pixel'),
    [
        ('rgb8', (10, 20, 30)),
        ('bgr8', (30, 20, 10)),
        ('rgba8', (10, 20, 30, 9)),
        ('bgra8', (30, 20, 10, 9)),
    ],
)
def test_interleaved_colours(encoding: str, pixel: tuple[int, ...]) -> None:
    assert (decode(encoding, [[pixel] * 4] * 2) == (10, 20, 30)).all()


def test_grey() -> None:
    assert (decode('mono8', [[7] * 4] * 2) == 7).all()
    assert (decode('mono16', [[0x1234] * 4] * 2, '<u2') == 0x12).all()
    assert (decode('mono16', [[0x1234] * 4] * 2, '>u2', big=True) == 0x12).all()


@pytest.mark.parametrize('encoding', ['yuv422', 'yuv422_yuy2'])
def test_grey_in_yuv422_is_grey(encoding: str) -> None:
    pair = (128, 126) if encoding == 'yuv422' else (126, 128)  # Y 126 = 128 in full range
    rgb = decode(encoding, [[pair] * 4] * 2)
    assert rgb.shape == (2, 4, 3)
    assert np.abs(rgb.astype(int) - 128).max() <= 1


def test_red_in_nv12_and_nv21() -> None:
    y, u, v = 81, 90, 240  # red in BT.601 studio range
    for encoding, pair in (('nv12', [u, v]), ('nv21', [v, u])):
        rgb = decode(encoding, [[y] * 4, [y] * 4, pair * 2])
        assert np.abs(rgb.astype(int) - (254, 0, 0)).max() <= 2


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_bayer_of_plain_red(pattern: str, bits: int) -> None:
    red = 200 if bits == 8 else 200 << 8
    cell = [red * (letter == 'r') for letter in pattern]
    rows = np.tile(np.array(cell).reshape(2, 2), (4, 4)).astype(f'<u{bits // 8}')
    data = np.frombuffer(rows.tobytes(), np.uint8)
    rgb = rgb_from_image(f'bayer_{pattern}{bits}', 8, 8, bits, False, data)
    assert (rgb[2:-2, 2:-2] == (200, 0, 0)).all()


def test_padding_at_the_end_of_rows_is_skipped() -> None:
    rows = np.zeros((2, 16), np.uint8)
    rows[:, :12] = 5
    assert (rgb_from_image('rgb8', 4, 2, 16, False, rows.ravel()) == 5).all()
    assert (
        rgb_from_image('bgr8', 4, 2, 16, False, rows.ravel()[:28]) == 5
    ).all()  # last row short


@pytest.mark.parametrize(
    ('encoding', 'width', 'height', 'step', 'size', 'word'),
    [
        ('32SC4', 4, 2, 12, 24, 'encoding'),
        ('rgb8', 0, 2, 12, 24, 'size'),
        ('rgb8', 100000, 100000, 300000, 24, 'size'),
        ('rgb8', 4, 2, 11, 24, 'step'),
        ('rgb8', 4, 2, 12, 23, 'truncated'),
        ('nv12', 3, 2, 3, 24, 'even'),
    ],
)
def test_refusals(encoding: str, width: int, height: int, step: int, size: int, word: str) -> None:
    with pytest.raises(ImageError, match=word):
        rgb_from_image(encoding, width, height, step, False, np.zeros(size, np.uint8))


def test_every_encoding_of_the_conventions_is_known() -> None:
    named = 'rgb8 bgr8 rgba8 bgra8 mono8 mono16 yuv422 yuv422_yuy2 nv12 nv21 bayer_rggb8'
    assert set(named.split()) <= ENCODINGS.keys()


def test_compressed() -> None:
    bgr = np.full((8, 8, 3), (30, 20, 10), np.uint8)
    png = np.asarray(cv2.imencode('.png', bgr)[1]).ravel()
    assert (rgb_from_compressed('png', png) == (10, 20, 30)).all()
    for broken in (png[:20], np.frombuffer(b'nonsense', np.uint8), np.zeros(0, np.uint8)):
        with pytest.raises(ImageError, match=r'damaged|neither'):
            rgb_from_compressed('jpeg', broken)


def shape_of(encoding: str) -> tuple[int, int]:
    """Rows and bytes per row of an image of 8 x 6."""
    kind = ENCODINGS[encoding]
    return 6 * kind.rows[0] // kind.rows[1], 8 * kind.samples * kind.sample_bytes


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_step_is_honoured_in_every_encoding(encoding: str) -> None:
    rows, row_bytes = shape_of(encoding)
    packed = np.random.default_rng(1).integers(0, 256, (rows, row_bytes), np.uint8)
    padded = np.full((rows, row_bytes + 10), 99, np.uint8)
    padded[:, :row_bytes] = packed
    ours = rgb_from_image(encoding, 8, 6, row_bytes, False, packed.ravel())
    assert ours.shape == (6, 8, 3)
    again = rgb_from_image(encoding, 8, 6, row_bytes + 10, False, padded.ravel())
    np.testing.assert_array_equal(ours, again)


@pytest.mark.parametrize(
    'encoding', sorted(n for n, e in ENCODINGS.items() if e.sample_bytes == 2)
)
def test_endianness_is_honoured_in_every_encoding_of_two_bytes(encoding: str) -> None:
    rows, row_bytes = shape_of(encoding)
    values = np.random.default_rng(2).integers(0, 65536, (rows, row_bytes // 2)).astype('<u2')
    little, big = (values.astype(order).tobytes() for order in ('<u2', '>u2'))
    found = [
        rgb_from_image(encoding, 8, 6, row_bytes, is_big, np.frombuffer(data, np.uint8))
        for is_big, data in ((False, little), (True, big))
    ]
    np.testing.assert_array_equal(*found)


def test_the_orientation_of_exif_turns_nothing() -> None:
    """camera_info describes the sensor, whatever a tag says of how to hold the picture."""
    jpeg = cv2.imencode('.jpg', np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    quarter_turn = b'MM\0*\0\0\0\x08' + b'\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0' + bytes(4)
    exif = b'Exif\0\0' + quarter_turn
    tagged = jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + jpeg[2:]
    data = np.frombuffer(tagged, np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (16, 8, 3)  # the tag is well-formed
    assert rgb_from_compressed('jpeg', data).shape == (8, 16, 3)


def test_what_is_decoded_has_the_size_of_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second line, should our reader of headers and the decoder ever differ."""
    png = cv2.imencode('.png', np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    assert decoded(png, cv2.IMREAD_UNCHANGED).shape == (8, 16, 3)
    monkeypatch.setattr(images, 'claimed_size', lambda data: (4, 2))
    with pytest.raises(ImageError, match='has 16x8 pixels, but its header says 4x2; it is damag'):
        decoded(png, cv2.IMREAD_UNCHANGED)


def jpeg_of(scans: int) -> bytes:
    return b'\xff\xd8\xff\xe0' + bytes([0xFF, START_OF_SCAN]) * scans


def test_many_scans_are_slow_in_large_images_only() -> None:
    assert not is_slow(jpeg_of(10), 12_800_000)  # 128 million pixels in all
    assert is_slow(jpeg_of(10), 12_800_001)
    assert not is_slow(jpeg_of(4), 64_000_000)  # baseline
    assert is_slow(jpeg_of(5), 64_000_000)


def test_a_bit_of_a_jpeg_holds_16_blocks_at_most() -> None:
    assert max_pixels_of(jpeg_of(0) + bytes(96)) == 100 * 8 * 64 * 16


IMAGES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)
# How to write an RGB image in an encoding that keeps all of it.
WRITERS = {
    'rgb8': lambda rgb: rgb,
    'bgr8': lambda rgb: rgb[..., ::-1],
    'rgba8': lambda rgb: np.dstack([rgb, rgb[..., :1]]),
    'bgra8': lambda rgb: np.dstack([rgb[..., ::-1], rgb[..., :1]]),
}


@pytest.mark.parametrize('encoding', WRITERS)
@given(IMAGES, st.integers(0, 5))
def test_colours_survive_their_encoding(encoding: str, rgb: np.ndarray, padding: int) -> None:
    height, width = rgb.shape[:2]
    rows = np.ascontiguousarray(WRITERS[encoding](rgb)).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    found = rgb_from_image(encoding, width, height, padded.shape[1], False, padded.ravel())
    np.testing.assert_array_equal(found, rgb)


@given(arrays(np.uint16, st.tuples(st.integers(1, 6), st.integers(1, 6))), st.booleans())
def test_grey_of_two_bytes_keeps_the_higher(grey: np.ndarray, is_big: bool) -> None:
    data = np.frombuffer(grey.astype('>u2' if is_big else '<u2').tobytes(), np.uint8)
    height, width = grey.shape
    found = rgb_from_image('mono16', width, height, 2 * width, is_big, data)
    np.testing.assert_array_equal(found, np.repeat((grey // 256)[..., None], 3, 2))


@given(IMAGES)
def test_png_loses_nothing(rgb: np.ndarray) -> None:
    png = np.asarray(cv2.imencode('.png', rgb[..., ::-1])[1]).ravel()
    np.testing.assert_array_equal(rgb_from_compressed('png', png), rgb)


SMOOTH = cv2.GaussianBlur(
    np.random.default_rng(4).integers(0, 256, (48, 64, 3)).astype(np.float32) * 3 - 256, (0, 0), 6
).clip(0, 255).astype(np.uint8)  # fmt: skip


def encoded(pixels: np.ndarray, ending: str = '.png') -> np.ndarray:
    return np.asarray(cv2.imencode(ending, pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])[1]).ravel()


def mosaic(pattern: str) -> np.ndarray:
    """What a sensor of this pattern sees of SMOOTH (RGB)."""
    found = np.zeros((48, 64), np.uint8)
    for k, letter in enumerate(pattern):
        found[k // 2 :: 2, k % 2 :: 2] = SMOOTH[k // 2 :: 2, k % 2 :: 2, 'rgb'.index(letter)]
    return found


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('ending', ['.png', '.jpg'])
def test_a_mosaic_inside_png_or_jpeg_becomes_colours(pattern: str, ending: str) -> None:
    data = encoded(mosaic(pattern), ending)
    rgb = rgb_from_compressed(f'bayer_{pattern}8; {ending[1:]} compressed ', data)
    assert np.abs(rgb.astype(int) - SMOOTH)[2:-2, 2:-2].mean() < 3


def test_a_mosaic_of_16_bits_and_one_that_is_in_colour_already() -> None:
    wide = encoded(mosaic('rggb').astype(np.uint16) << 8)
    rgb = rgb_from_compressed('bayer_rggb16; png compressed', wide)
    assert np.abs(rgb.astype(int) - SMOOTH)[2:-2, 2:-2].mean() < 3
    color = encoded(SMOOTH[..., ::-1])
    rgb = rgb_from_compressed('bayer_rggb8; png compressed bgr8', color)
    np.testing.assert_array_equal(rgb, SMOOTH)


def test_what_is_grey_stays_grey() -> None:
    grey = SMOOTH[..., 1]
    rgb = rgb_from_compressed('mono8; png compressed ', encoded(grey))
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize(
    'format_', ['16UC1; png compressed ', '16UC1; compressedDepth png', '32FC1;']
)
def test_depth_is_no_camera_image(format_: str) -> None:
    with pytest.raises(ImageError, match='holds depth or another measurement'):
        rgb_from_compressed(format_, encoded(np.full((4, 4), 2500, np.uint16)))


def test_types_of_opencv_are_read_as_its_functions_fill_them() -> None:
    pixels = np.array([[(1, 2, 3)] * 4] * 2)
    assert (decode('8UC3', pixels) == (3, 2, 1)).all()
    assert (decode('8UC4', np.array([[(1, 2, 3, 9)] * 4] * 2)) == (3, 2, 1)).all()
    assert (decode('8UC1', [[7] * 4] * 2) == 7).all()
    assert (decode('16UC3', pixels << 8, '<u2') == (3, 2, 1)).all()
    assert (decode('rgb16', pixels << 8, '>u2', big=True) == (1, 2, 3)).all()
    [sentence] = guesses(SimpleNamespace(encoding='8UC3'))
    assert '8UC3, which names no colours; they are read as bgr8' in sentence
    assert guesses(SimpleNamespace(encoding='bgr8')) == guesses(SimpleNamespace(format='')) == []


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
@pytest.mark.parametrize('step', [8, 12, 16])
def test_planes_without_padding_are_read_whatever_the_step(encoding: str, step: int) -> None:
    """Isaac Sim writes two widths, others one and a half."""
    data = np.random.default_rng(5).integers(0, 256, 8 * 6 * 3 // 2, np.uint8)
    expected = rgb_from_image(encoding, 8, 6, 8, False, data)
    np.testing.assert_array_equal(rgb_from_image(encoding, 8, 6, step, False, data), expected)
