"""Compressed truths pass the checks of camera images before they are decoded."""

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtscene_ros.evaluate.truth.truth_messages import TruthError, plane


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(side: int, rows: int) -> bytes:
    """Zeros of 16 bits and four channels; as many rows as are there."""
    head = struct.pack('>IIBBBBB', side, side, 16, 6, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + 8 * side) * rows), 9)
    body = chunk(b'IHDR', head) + chunk(b'IDAT', pixels) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + body


def read(data: bytes) -> np.ndarray:
    return plane(SimpleNamespace(format='png', data=np.frombuffer(data, np.uint8)))


def test_a_png_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MTSCENE_MAX_IMAGE_MPX', '0.01')
    assert read(png(100, 100)).shape == (100, 100, 4)
    with pytest.raises(TruthError, match='101x101 is not between 1 and 10000 pixels'):
        read(png(101, 101))


def test_a_png_of_256_megapixels_is_not_decoded() -> None:
    with pytest.raises(TruthError, match='16000x16000 is not between 1 and 64000000 pixels'):
        read(png(16000, 200))


def test_jpeg_is_refused() -> None:
    jpeg = cv2.imencode('.jpg', np.zeros((8, 8), np.uint8))[1].tobytes()
    with pytest.raises(TruthError, match='must be PNG; JPEG corrupts them'):
        read(jpeg)
