"""Reads and writes the label files of a manifest: depth, boxes, own maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    matrix_from_quaternion,
    optical_from_level_box,
    quaternion_from_matrix,
    yaw_of_box,
)
from mtscene_ros.datasets.label_files import (
    DataError,
    read_any_json,
    read_ids,
    read_image,
    read_npy,
)
from mtscene_ros.models.atomic_file import replacing, write_bytes, write_text
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.types import Boxes3D, SemanticClass

MM_PER_M = 1000.0


def read_depth(path: Path, scale: float = MM_PER_M) -> NDArray[np.float32]:
    """Returns (H, W) metres, NaN where unknown.

    The file is .npy in metres, (H, W) or (H, W, 1), or a 16-bit image of `scale` values per metre.
    Raises DataError.
    """
    if path.suffix == '.npy':
        depth_m = one_plane(read_npy(path)).astype(np.float32)
        if depth_m.ndim != 2:
            raise DataError(f'{path} has {depth_m.ndim} axes; depth has two.')
    else:
        stored = read_image(path)
        if stored.dtype != np.uint16 or stored.ndim != 2:
            raise DataError(
                f'{path} is {stored.dtype} with {stored.ndim} axes; depth images need 16 bits '
                'and one channel, in millimetres or with a depth_scale.'
            )
        depth_m = stored.astype(np.float32) / np.float32(scale)
    depth_m[~(depth_m > 0)] = np.nan
    return depth_m


def one_plane(values: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 1) and (1, H, W) → (H, W); other shapes stay."""
    if values.ndim == 3 and values.shape[2] == 1:
        return values[..., 0]
    return values[0] if values.ndim == 3 and values.shape[0] == 1 else values


def write_depth(depth_m: NDArray[np.float32], path: Path) -> None:
    """Writes a float32 .npy, or a .png in millimetres where unknown and beyond 65.535 m are 0."""
    if path.suffix == '.npy':
        with replacing(path) as partial_file, partial_file.open('wb') as file:
            np.save(file, depth_m.astype(np.float32))
        return
    mm = np.nan_to_num(depth_m * MM_PER_M, posinf=0, neginf=0)
    write_image(path, np.where(mm < 65535.5, np.round(mm), 0).astype(np.uint16))


def write_image(path: Path, values: NDArray[Any]) -> None:
    """Writes an image in the format of the file's ending, whole or not at all. Raises OSError."""
    write_bytes(path, cv2.imencode(path.suffix, values)[1].tobytes())


def read_map(path: Path, classes: int) -> NDArray[Any]:
    """Returns (H, W) ids where there are classes, else float32 with NaN unknown.

    Raises DataError.
    """
    if classes:
        return read_ids(path, classes)
    values = one_plane(read_npy(path)) if path.suffix == '.npy' else read_image(path)
    if values.ndim != 2:
        raise DataError(f'{path} has {values.ndim} axes; a map with one number per pixel has two.')
    return values.astype(np.float32)


def read_boxes(path: Path, classes: tuple[SemanticClass, ...]) -> dict[str, Any]:
    """Returns the box fields of a Sample. Raises DataError."""
    ids = {c.name: c.id for c in classes}
    try:
        rows = read_any_json(path)
        unknown = [row['class'] for row in rows if row['class'] not in ids]
        if unknown:
            raise DataError(
                f'{path}: {unknown[0]!r} is not a class of boxes3d; those are {", ".join(ids)}.'
            )
        class_ids = np.array([ids[row['class']] for row in rows], np.int64)
        centers_m = np.array([row['center_m'] for row in rows], np.float64).reshape(-1, 3)
        sizes_m = np.array([row['size_m'] for row in rows], np.float64).reshape(-1, 3)
        turns = np.array([turn(row) for row in rows], np.float64).reshape(-1, 4)
        extra = {
            key: np.array([row.get(key, default) for row in rows], np.float32).reshape(len(rows))
            for key, default in (('visible', 1.0), ('truncated', 0.0))
        }
    except MALFORMED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path} is not a list of boxes ({brief(error)}).') from None
    if not np.isfinite(centers_m).all() or not (sizes_m > 0).all():
        raise DataError(f'{path} has a box whose centre is not finite or whose size is not > 0.')
    return {
        'class_ids': class_ids,
        'centers_m': centers_m,
        'sizes_m': sizes_m,
        'quaternions_xyzw': turns,
        'yaw_rad': yaw_of_box(matrix_from_quaternion(turns)),
        **extra,
        'has_boxes': True,
    }


def turn(row: dict[str, Any]) -> list[float]:
    """Returns the unit quaternion x, y, z, w of a row, optical_from_box. Raises ValueError."""
    if 'quaternion_xyzw' not in row:
        level = optical_from_level_box(np.array([float(row['yaw_rad'])]))
        found: list[float] = quaternion_from_matrix(level)[0].tolist()
        return found
    values = np.array(row['quaternion_xyzw'], np.float64)
    length = float(np.linalg.norm(values))
    if values.shape != (4,) or not 0.9 < length < 1.1:
        raise ValueError(f'{row["quaternion_xyzw"]} is not a unit quaternion')
    if abs(length - 1) > 1e-9:  # otherwise it stays as it is, to the last bit
        values = values / length
    unit: list[float] = values.tolist()
    return unit


def write_boxes(boxes: Boxes3D, path: Path) -> None:
    rows = [
        {
            'class': boxes.classes[k].name,
            'center_m': boxes.centers_m[i].tolist(),
            'size_m': boxes.sizes_m[i].tolist(),
            'quaternion_xyzw': boxes.quaternions_xyzw[i].tolist(),
        }
        for i, k in enumerate(boxes.class_ids.tolist())
    ]
    write_text(path, json.dumps(rows, indent=1))
