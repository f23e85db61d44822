"""Files of data sets into arrays; every complaint names the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import ImageError
from mtscene_ros.camera.photograph import read_image_file
from mtscene_ros.models import array_file
from mtscene_ros.models.spec import brief
from mtscene_ros.types import UNLABELED, Intrinsics


class DataError(ValueError):
    """A data set's file is missing or wrong; the message names it."""


def folder_of(path: Path, purpose: str) -> Path:
    """Raises DataError where the folder does not exist."""
    if not path.is_dir():
        raise DataError(f'{path} is not a folder; it should hold {purpose}.')
    return path


def lines_of(path: Path) -> list[str]:
    """Lines that are not empty, of a list of frames. Raises DataError."""
    if not path.is_file():
        raise DataError(f'{path} is missing; it should list the frames of the split.')
    found = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not found:
        raise DataError(f'{path} lists no frames.')
    for line in found:
        if not stays_inside(line):
            raise DataError(
                f'{path} lists {line[:80]!r}, which leaves the folder of the data set.'
            )
    return found


def stays_inside(name: str) -> bool:
    """Whether a name that comes from a file can only lead further down from a folder."""
    path = PurePosixPath(name.replace('\\', '/'))
    return '\0' not in name and not path.is_absolute() and '..' not in path.parts


def read_text(path: Path) -> str:
    """Raises DataError."""
    try:
        return path.read_text('utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'{path} is not a text file ({brief(error)}).') from None


def read_any_json(path: Path) -> Any:
    """Whatever JSON holds. Raises DataError."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path} is not JSON ({brief(error)}).') from None


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3). Raises DataError."""
    bgr = read_image(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_image(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> NDArray[Any]:
    """As OpenCV decodes it. Raises DataError."""
    try:
        return read_image_file(path, flags)
    except ImageError as error:
        raise DataError(str(error)) from None


def read_ids(path: Path, classes: int) -> NDArray[np.uint8]:
    """(H, W) ids below `classes` or UNLABELED. Raises DataError for others."""
    return checked_ids(read_image(path), classes, path)


def checked_ids(ids: NDArray[Any], classes: int, path: Path) -> NDArray[np.uint8]:
    if ids.ndim != 2:
        raise DataError(f'{path} has {ids.shape[2]} channels; class ids take one.')
    wrong = (ids >= classes) & (ids != UNLABELED)
    if wrong.any():
        raise DataError(
            f'{path} holds the class id {int(ids[wrong].max())}; ids go from 0 to {classes - 1}, '
            f'and {UNLABELED} stands for unknown.'
        )
    return ids.astype(np.uint8)


def read_binary(path: Path, above: float = 0.0) -> NDArray[np.uint8]:
    """(H, W) 1 where the first channel exceeds `above`. Raises DataError."""
    image = read_image(path)
    return ((image if image.ndim == 2 else image[..., 0]) > above).astype(np.uint8)


def read_normals(path: Path, signs: tuple[float, float, float]) -> NDArray[np.float32]:
    """(H, W, 3) unit; the file holds round(255 (n + 1) / 2), grey 127 or 128 is unknown.

    signs: what the stored x, y, z are multiplied with to be in the optical frame.
    """
    raw = read_rgb(path).astype(np.float32)
    vectors = 2 * raw / 255 - 1
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    known = length > 0.5
    unit = np.where(known, vectors / np.maximum(length, 1e-6), np.float32(0))
    return np.asarray(unit * np.array(signs, np.float32))


def stored_normals(
    normals: NDArray[np.float32], signs: tuple[float, float, float]
) -> NDArray[np.uint8]:
    """The inverse of `read_normals`: (H, W, 3) uint8 RGB."""
    return np.asarray(np.round(255 * (normals * np.array(signs) + 1) / 2), np.uint8)


def read_npy(path: Path) -> NDArray[Any]:
    """Raises DataError; pickled objects are refused."""
    if not path.is_file():
        raise DataError(f'{path} is missing.')
    try:
        return array_file.read_npy(path)
    except (ValueError, OSError) as error:
        raise DataError(f'{path} is not a NumPy array ({error}).') from None


def read_json(path: Path) -> dict[str, Any]:
    """Raises DataError."""
    if not path.is_file():
        raise DataError(f'{path} is missing.')
    found = read_any_json(path)
    if not isinstance(found, dict):
        raise DataError(f'{path} holds a {type(found).__name__} where an object is needed.')
    return found


def same_size(values: NDArray[Any], rgb: NDArray[np.uint8], path: Path) -> NDArray[Any]:
    """Raises DataError where a map is not of its image's size."""
    if values.shape[:2] != rgb.shape[:2]:
        raise DataError(
            f'{path} is {values.shape[1]}x{values.shape[0]}, its image '
            f'{rgb.shape[1]}x{rgb.shape[0]}.'
        )
    return values


def checked_camera(values: Mapping[str, Any], size: tuple[int, int], path: Path) -> Intrinsics:
    """values: fx_px, fy_px, cx_px, cy_px; size: height and width. Raises DataError for a broken
    calibration."""
    try:
        pixels = [float(values[name]) for name in ('fx_px', 'fy_px', 'cx_px', 'cy_px')]
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(
            f'{path}: the calibration is broken ({brief(error)}); it needs fx_px, fy_px, cx_px, '
            'cy_px.'
        ) from None
    if not np.isfinite(pixels).all() or min(pixels[:2]) <= 0:
        raise DataError(f'{path}: focal lengths {pixels[:2]} px are no calibration.')
    return Intrinsics(size[1], size[0], *pixels)


def typical_camera(size: tuple[int, int]) -> Intrinsics:
    """Where a data set has no calibration: the focal length is the width, the centre the centre.

    size: height and width.
    """
    return Intrinsics.centered(size[1], size[0], size[1])
