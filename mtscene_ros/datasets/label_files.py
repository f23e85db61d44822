"""Reads files of data sets into arrays; every error names the file."""

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
from mtscene_ros.datasets.palette_png import palette_indices
from mtscene_ros.models import array_file
from mtscene_ros.models.limits import LimitError, text_of
from mtscene_ros.models.spec import brief
from mtscene_ros.types import UNLABELED, Intrinsics


class DataError(ValueError):
    """A file of a data set is missing or wrong; the message names it."""


def folder_of(path: Path, purpose: str) -> Path:
    """Returns the folder. Raises DataError where it does not exist."""
    if not path.is_dir():
        raise DataError(f'{path} is not a folder; it should contain {purpose}.')
    return path


def lines_of(path: Path) -> list[str]:
    """Returns the non-empty lines of a list of frames. Raises DataError."""
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
    """Whether a name from a file can only lead further down from a folder."""
    path = PurePosixPath(name.replace('\\', '/'))
    return '\0' not in name and not path.is_absolute() and '..' not in path.parts


def read_text(path: Path) -> str:
    """Reads a text file in UTF-8, or in UTF-16 with its mark, as Excel writes it. Raises
    DataError."""
    try:
        return text_of(path)
    except LimitError as error:
        raise DataError(str(error)) from None
    except (OSError, ValueError) as error:
        raise DataError(f'{path} is not a text file ({brief(error)}).') from None


def read_any_json(path: Path) -> Any:
    """Reads any JSON value. Raises DataError."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path} is not JSON ({brief(error)}).') from None


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Reads an image as (H, W, 3) RGB. Raises DataError."""
    bgr = read_image(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_image(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> NDArray[Any]:
    """Reads an image as OpenCV decodes it. Raises DataError."""
    try:
        return read_image_file(path, flags)
    except ImageError as error:
        raise DataError(str(error)) from None


def read_ids(path: Path, classes: int) -> NDArray[np.uint8]:
    """Reads (H, W) ids below `classes`, or UNLABELED. Raises DataError for others."""
    return checked_ids(read_indices(path), classes, path)


def read_indices(path: Path) -> NDArray[Any]:
    """Reads a label image: the indices of a palette PNG, as VOC, CVAT and labelme write it, or the
    values of one channel. Raises DataError."""
    try:
        found = palette_indices(path)
    except (OSError, ImageError) as error:
        raise DataError(f'{path} is not an image that OpenCV can read ({error}).') from None
    if found is None:
        found = read_image(path)
    if found.ndim == 3 and found.shape[2] == 3 and (found == found[..., :1]).all():
        return found[..., 0]  # grey, saved as RGB
    return found


def checked_ids(ids: NDArray[Any], classes: int, path: Path) -> NDArray[np.uint8]:
    if ids.ndim != 2:
        raise DataError(
            f'{path} has {ids.shape[2]} channels; class ids need one. Colours become ids by '
            '`python -m training.data.to_manifest masks`.'
        )
    if not classes:
        raise DataError(
            f'{path} holds class ids, but nothing names the classes; list their names.'
        )
    if ids.dtype.kind not in 'iu':
        raise DataError(f'{path} holds {ids.dtype}; class ids are whole numbers.')
    wrong = (ids >= classes) & (ids != UNLABELED)
    if wrong.any():
        raise DataError(
            f'{path} has the class id {int(ids[wrong].max())}; ids go from 0 to {classes - 1}, '
            f'and {UNLABELED} means unknown.'
        )
    return ids.astype(np.uint8)


def read_binary(path: Path, above: float = 0.0) -> NDArray[np.uint8]:
    """Reads (H, W), 1 where any colour exceeds `above`, also of a palette. Raises DataError."""
    image = read_image(path)
    return ((image if image.ndim == 2 else image[..., :3].max(2)) > above).astype(np.uint8)


def read_normals(path: Path, signs: tuple[float, float, float]) -> NDArray[np.float32]:
    """Reads (H, W, 3) unit normals in the optical frame, zeros where unknown.

    The file holds round(255 (n + 1) / 2); grey 127 or 128 means unknown. signs: factors that turn
    the stored x, y, z into the axes of the optical frame. Raises DataError.
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
    """Inverts `read_normals`: returns (H, W, 3) uint8 RGB."""
    return np.asarray(np.round(255 * (normals * np.array(signs) + 1) / 2), np.uint8)


def read_npy(path: Path) -> NDArray[Any]:
    """Reads an .npy file without pickled objects. Raises DataError."""
    if not path.is_file():
        raise DataError(f'{path} is missing.')
    try:
        return array_file.read_npy(path)
    except (ValueError, OSError) as error:
        raise DataError(f'{path} is not a NumPy array ({error}).') from None


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object. Raises DataError."""
    if not path.is_file():
        raise DataError(f'{path} is missing.')
    found = read_any_json(path)
    if not isinstance(found, dict):
        raise DataError(f'{path} is a {type(found).__name__}, but must be an object.')
    return found


def same_size(values: NDArray[Any], rgb: NDArray[np.uint8], path: Path) -> NDArray[Any]:
    """Returns the map. Raises DataError where its size is not that of its image."""
    if values.shape[:2] != rgb.shape[:2]:
        is_turned = values.shape[:2] == rgb.shape[1::-1]
        why = ': one of them is turned, perhaps by the EXIF tag of the image' if is_turned else ''
        raise DataError(
            f'{path} has {values.shape[1]}x{values.shape[0]} px, its image '
            f'{rgb.shape[1]}x{rgb.shape[0]} px{why}.'
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
        raise DataError(f'{path}: the focal lengths {pixels[:2]} px are impossible.')
    return Intrinsics(size[1], size[0], *pixels)


def typical_camera(size: tuple[int, int]) -> Intrinsics:
    """Returns a guess for data sets without calibration.

    The focal length is the image width, the principal point the image centre; size: height and
    width.
    """
    return Intrinsics.centered(size[1], size[0], size[1])
