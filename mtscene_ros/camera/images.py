"""Bytes of sensor_msgs/Image and CompressedImage → RGB arrays, without importing ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.image_headers import (
    claimed_size,
    is_cut_off,
    is_slow,
    kind_of,
    max_pixels_of,
    scans,
)
from mtscene_ros.models.limits import limit

U8 = NDArray[np.uint8]

MAX_PIXELS = 64_000_000  # far above most cameras; a damaged size field must not allocate more


def max_file_pixels() -> int:
    """Returns the largest image that is read from files and recordings; a node has a parameter."""
    return int(1e6 * limit('MTSCENE_MAX_IMAGE_MPX'))


class ImageError(ValueError):
    """The image cannot be used; the message is one sentence that names the value and the fix."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one row-major plane of bytes becomes RGB.

    samples: values per pixel of a row; to_rgb: converts the plane to (H, W, 3) RGB; sample_bytes:
    bytes per value; rows: stored rows per image row, as a fraction; multiple: what width and
    height must be multiples of.
    """

    samples: int
    to_rgb: Callable[[NDArray[Any]], NDArray[Any]]
    sample_bytes: int = 1
    rows: tuple[int, int] = (1, 1)
    multiple: tuple[int, int] = (1, 1)


def _cv(code: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda plane: np.asarray(cv2.cvtColor(plane, code))


def _high_byte(plane: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(plane >> 8, np.uint8)


def _rgb_from_mono16(plane: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(cv2.cvtColor(_high_byte(plane), cv2.COLOR_GRAY2RGB))


def _cv16(code: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda plane: _high_byte(np.asarray(cv2.cvtColor(plane, code)))


_BAYER = {
    'rggb': cv2.COLOR_BayerRGGB2RGB,
    'bggr': cv2.COLOR_BayerBGGR2RGB,
    'gbrg': cv2.COLOR_BayerGBRG2RGB,
    'grbg': cv2.COLOR_BayerGRBG2RGB,
}

MOSAICS = {f'bayer_{name}{bits}': code for name, code in _BAYER.items() for bits in (8, 16)}
ENCODINGS: dict[str, Encoding] = {
    'rgb8': Encoding(3, lambda plane: plane),
    'bgr8': Encoding(3, _cv(cv2.COLOR_BGR2RGB)),
    'rgba8': Encoding(4, _cv(cv2.COLOR_RGBA2RGB)),
    'bgra8': Encoding(4, _cv(cv2.COLOR_BGRA2RGB)),
    'mono8': Encoding(1, _cv(cv2.COLOR_GRAY2RGB)),
    'mono16': Encoding(1, _rgb_from_mono16, sample_bytes=2),
    'yuv422': Encoding(2, _cv(cv2.COLOR_YUV2RGB_UYVY), multiple=(2, 1)),
    'uyvy': Encoding(2, _cv(cv2.COLOR_YUV2RGB_UYVY), multiple=(2, 1)),
    'yuv422_yuy2': Encoding(2, _cv(cv2.COLOR_YUV2RGB_YUY2), multiple=(2, 1)),
    'yuyv': Encoding(2, _cv(cv2.COLOR_YUV2RGB_YUY2), multiple=(2, 1)),
    'nv12': Encoding(1, _cv(cv2.COLOR_YUV2RGB_NV12), rows=(3, 2), multiple=(2, 2)),
    'nv21': Encoding(1, _cv(cv2.COLOR_YUV2RGB_NV21), rows=(3, 2), multiple=(2, 2)),
    **{f'bayer_{name}8': Encoding(1, _cv(code)) for name, code in _BAYER.items()},
    **{
        f'bayer_{name}16': Encoding(1, _cv16(code), sample_bytes=2)
        for name, code in _BAYER.items()
    },
    'rgb16': Encoding(3, _high_byte, sample_bytes=2),
    'bgr16': Encoding(3, _cv16(cv2.COLOR_BGR2RGB), sample_bytes=2),
    'rgba16': Encoding(4, _cv16(cv2.COLOR_RGBA2RGB), sample_bytes=2),
    'bgra16': Encoding(4, _cv16(cv2.COLOR_BGRA2RGB), sample_bytes=2),
}
# OpenCV's own types name no colours; they hold what OpenCV's functions usually put there.
GUESSED = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8', '16UC3': 'bgr16', '16UC4': 'bgra16'}
ENCODINGS.update({name: ENCODINGS[meaning] for name, meaning in GUESSED.items()})
# Images that measure something else: no colours and no brightness.
MEASURED = ('16uc1', '16sc1', '32fc1', '64fc1', '32sc1', 'compresseddepth')


def guesses(message: Any) -> list[str]:
    """Returns a sentence for an image message whose colours are not named, otherwise nothing."""
    meaning = GUESSED.get(getattr(message, 'encoding', ''))
    if not meaning:
        return []
    return [
        f'The images have the encoding {message.encoding}, which names no colours; they are read '
        f'as {meaning}.'
    ]


def rgb_from_image(
    encoding: str,
    width_px: int,
    height_px: int,
    step: int,
    is_bigendian: bool,
    data: U8,
    max_pixels: int = MAX_PIXELS,
) -> U8:
    """Converts the fields of a sensor_msgs/Image to RGB.

    Args:
        encoding: a key of `ENCODINGS`, for example 'bgr8'.
        width_px: image width in pixels.
        height_px: image height in pixels.
        step: bytes from one row to the next.
        is_bigendian: byte order of 16-bit encodings.
        data: (n,) uint8, the message's bytes.
        max_pixels: the largest image that is accepted.

    Returns:
        (H, W, 3) uint8 RGB; a read-only view of `data` for rgb8, otherwise a copy.

    Raises:
        ImageError: the encoding is not supported, or sizes and data do not fit each other.
    """
    format_ = ENCODINGS.get(encoding)
    if format_ is None:
        known = ', '.join(sorted(ENCODINGS))
        raise ImageError(
            f'Image encoding {shortened(encoding)} is not supported; send one of {known}.'
        )
    check_size(width_px, height_px, max_pixels)
    if width_px % format_.multiple[0] or height_px % format_.multiple[1]:
        raise ImageError(f'Encoding {encoding!r} needs even sizes, not {width_px}x{height_px}.')
    rows = height_px * format_.rows[0] // format_.rows[1]
    row_bytes = width_px * format_.samples * format_.sample_bytes
    if format_.rows != (1, 1) and data.size == rows * row_bytes:
        step = row_bytes  # of all planes together in some drivers; the size is what counts
    if step < row_bytes:
        raise ImageError(
            f'Image step is {step} bytes, but {width_px} px of {encoding} need {row_bytes}; '
            'the publisher must set step to the row length in bytes.'
        )
    if data.size < (rows - 1) * step + row_bytes:
        raise ImageError(
            f'Image data has {data.size} bytes, but {rows} rows of step {step} need '
            f'{rows * step}; the message is truncated.'
        )
    plane = np.lib.stride_tricks.as_strided(data, (rows, row_bytes), (step, 1), writeable=False)
    return np.asarray(format_.to_rgb(_samples(plane, format_, is_bigendian, width_px)), np.uint8)


def rgb_from_compressed(format_: str, data: U8, max_pixels: int = MAX_PIXELS) -> U8:
    """Decodes a JPEG or PNG; its size is read from the header and checked before that.

    Args:
        format_: the message's `format`; what precedes `;` is the encoding of the original, where
            `bayer_rggb8` and the like mean that one channel holds a mosaic.
        data: (n,) uint8, the file's bytes.
        max_pixels: the largest image that is accepted.

    Returns:
        (H, W, 3) uint8 RGB, as the sensor is oriented, whatever an EXIF tag says.

    Raises:
        ImageError: neither JPEG nor PNG, too large, damaged, or no camera image.
    """
    raw = data.tobytes()
    if is_measured(format_):
        raise ImageError(
            f'Compressed image (format {shortened(format_)}) holds depth or another measurement, '
            'not the image of a camera; subscribe to the colour image.'
        )
    if not kind_of(raw):
        raise ImageError(
            f'Compressed image (format {shortened(format_)}, {data.size} bytes) is neither JPEG '
            'nor PNG; publish one of these.'
        )
    # The sensor's orientation counts, not the EXIF tag's: camera_info describes the sensor.
    colour = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    mosaic = MOSAICS.get(original_encoding(format_))
    found = decoded(raw, colour if mosaic is None else cv2.IMREAD_UNCHANGED, max_pixels)
    if mosaic is not None and found.ndim == 2:
        rgb = np.asarray(cv2.cvtColor(found, mosaic))
        return _high_byte(rgb) if rgb.dtype == np.uint16 else np.asarray(rgb, np.uint8)
    if mosaic is not None:  # by name, yet the file has colours
        found = decoded(raw, colour, max_pixels)
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


def original_encoding(format_: str) -> str:
    """Returns the encoding that `CompressedImage.format` names before its semicolon, lower case.

    'bayer_rggb8; png compressed ' → 'bayer_rggb8'.
    """
    return format_.partition(';')[0].strip().lower()


def is_measured(format_: str) -> bool:
    """Whether `CompressedImage.format` announces depth or another measurement."""
    return original_encoding(format_) in MEASURED or 'compresseddepth' in format_.lower()


def decoded(raw: bytes, flags: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Decodes a JPEG or PNG whose header has passed `check_claims`.

    raw: bytes of the file; flags: OpenCV's IMREAD_*. Returns (H, W) or (H, W, channels). Raises
    ImageError, also for an image that turns out to have another size than its header says.
    """
    check_claims(raw, max_pixels)
    try:
        found = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error:
        found = None
    if found is None:
        raise ImageError(
            f'Compressed image ({kind_of(raw)}, {len(raw)} bytes) does not decode; it is damaged.'
        )
    claimed = claimed_size(raw) or (0, 0)
    if sorted(found.shape[:2]) != sorted(claimed):  # an EXIF tag may turn it
        raise ImageError(
            f'Compressed image ({kind_of(raw)}) has {found.shape[1]}x{found.shape[0]} pixels, but '
            f'its header says {claimed[0]}x{claimed[1]}; it is damaged.'
        )
    return np.asarray(found)


def check_claims(raw: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Checks a JPEG or PNG before it is decoded.

    raw: bytes of the file; max_pixels: the largest image that is accepted. Raises ImageError for
    an image that is cut off, too large, claims more pixels than its bytes can hold, or would take
    too long to decode.
    """
    kind, claimed = kind_of(raw), claimed_size(raw)
    if claimed is None or is_cut_off(raw):
        raise ImageError(
            f'Compressed image ({kind}, {len(raw)} bytes) does not decode; it is damaged: cut off.'
        )
    check_size(*claimed, max_pixels)
    if claimed[0] * claimed[1] > max_pixels_of(raw):
        raise ImageError(
            f'Compressed image ({kind}) claims {claimed[0]}x{claimed[1]} pixels, but its '
            f'{len(raw)} bytes cannot hold them; it is damaged.'
        )
    if is_slow(raw, claimed[0] * claimed[1]):
        raise ImageError(
            f'Compressed image (jpeg, {claimed[0]}x{claimed[1]} pixels) has {scans(raw)} scans: '
            'decoding would take too long; publish baseline JPEG.'
        )


def shortened(text: str, most: int = 40) -> str:
    """Returns text from outside for an error message: in quotes, at most `most` characters."""
    return repr(text if len(text) <= most else text[:most] + '...')


def check_size(width_px: int, height_px: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ImageError for an image without pixels or with more than max_pixels."""
    if width_px < 1 or height_px < 1 or width_px * height_px > max_pixels:
        raise ImageError(
            f'Image size {width_px}x{height_px} is not between 1 and {max_pixels} pixels; '
            'check the camera driver.'
        )


def _samples(plane: U8, format_: Encoding, is_bigendian: bool, width_px: int) -> NDArray[Any]:
    rows = plane.shape[0]
    if format_.sample_bytes == 2:
        dtype = np.dtype('>u2' if is_bigendian else '<u2')
        values = np.ascontiguousarray(plane).view(dtype).astype(np.uint16, copy=False)
        return values if format_.samples == 1 else values.reshape(rows, width_px, -1)
    if format_.samples == 1:
        return plane
    return np.lib.stride_tricks.as_strided(
        plane,
        (rows, width_px, format_.samples),
        (plane.strides[0], format_.samples, 1),
        writeable=False,
    )
