import cv2
import numpy as np
import pytest

from mtscene_ros.camera.images import ENCODINGS, ImageError, rgb_from_compressed, rgb_from_image


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
