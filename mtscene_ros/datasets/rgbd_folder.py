"""Folders of registered colour and depth images, as RGB-D cameras record them.

    rgb/NAME.jpg|png    depth/NAME.png (16 bits, registered to the colour image, 0 unknown)
    intrinsics.json     {fx, fy, cx, cy[, depth_scale_to_metres]} of the colour camera

The folder of the colour images may also be called `color`, as Open3D's data sets call it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import read_depth
from mtscene_ros.datasets.label_files import (
    DataError,
    checked_camera,
    folder_of,
    read_json,
    read_rgb,
    same_size,
)
from mtscene_ros.types import Intrinsics

COLOUR_FOLDERS = ('rgb', 'color')
SUFFIXES = ('.jpg', '.png')
M_PER_VALUE = 0.001  # of a depth image, where the calibration names nothing else


@dataclass(frozen=True, slots=True, eq=False)
class RgbdFrame:
    """rgb: (H, W, 3) uint8; depth_m: (H, W) float32 along optical z, NaN unknown."""

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: Intrinsics


def colour_folder(folder: Path) -> Path:
    """Raises DataError."""
    found = [folder / name for name in COLOUR_FOLDERS if (folder / name).is_dir()]
    return found[0] if found else folder_of(folder / COLOUR_FOLDERS[0], 'the colour images')


def rgbd_names(folder: Path) -> list[str]:
    """Returns the file names of all colour images, sorted. Raises DataError."""
    images = colour_folder(folder)
    found = sorted(path.name for path in images.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f'{images} contains no JPEG or PNG images.')
    return found


def read_rgbd(folder: Path, name: str) -> RgbdFrame:
    """Reads one frame by the file name of its colour image. Raises DataError."""
    rgb = read_rgb(colour_folder(folder) / name)
    where = folder / 'intrinsics.json'
    values = read_json(where)
    named = {f'{key}_px': values.get(key) for key in ('fx', 'fy', 'cx', 'cy')}
    camera = checked_camera(named, (rgb.shape[0], rgb.shape[1]), where)
    depth_path = folder / 'depth' / f'{Path(name).stem}.png'
    depth_m = read_depth(depth_path, 1 / metres_per_value(values, where))
    return RgbdFrame(rgb, same_size(depth_m, rgb, depth_path), camera)


def metres_per_value(values: dict[str, object], where: Path) -> float:
    """Raises DataError."""
    scale = values.get('depth_scale_to_metres', M_PER_VALUE)
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 < scale < 1:
        raise DataError(
            f'{where}: depth_scale_to_metres {str(scale)[:40]!r} is not the number of metres that '
            'one value of a depth image stands for; millimetres have 0.001.'
        )
    return float(scale)
