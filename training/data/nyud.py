"""NYUD-v2 as ATRC, InvPT and TaskPrompter package it, 560x425 px.

Source: docs/network-specification.md, sections 0 and 6.

gt_sets/{train,val}.txt  images/ID.png  segmentation/ID.png  depth/ID.npy  normals/ID.png
edge/ID.png
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.classes import NYUD_40
from mtscene_ros.datasets.label_files import (
    DataError,
    checked_ids,
    folder_of,
    lines_of,
    read_binary,
    read_indices,
    read_normals,
    read_npy,
    read_rgb,
    same_size,
)
from mtscene_ros.types import UNLABELED, Intrinsics
from training.data.by_name import Tables
from training.data.sample import Sample, blank

# The colour camera of NYU Depth v2's toolbox for 640x480 px. The frames here lack the margin that
# registration leaves white: 40 px at the left and right, 45 px at the top and 10 px at the bottom.
FOCAL_PX, CENTER_PX = (518.8579, 519.4696), (325.5824 - 40, 253.7362 - 45)
NORMAL_SIGNS = (1.0, 1.0, -1.0)  # see training/graphs/deploy_published.py


def names(folder: Path, split: str) -> list[str]:
    """Raises DataError."""
    return lines_of(folder_of(folder, 'NYUD-v2') / 'gt_sets' / f'{split}.txt')


def tables(folder: Path) -> Tables:
    return Tables(NYUD_40)


def read(folder: Path, name: str) -> Sample:
    """Raises DataError."""
    rgb = read_rgb(folder / 'images' / f'{name}.png')
    height, width = rgb.shape[:2]

    def fitting(values: NDArray[Any], part: str) -> NDArray[Any]:
        return same_size(values, rgb, folder / part / name)

    path = folder / 'segmentation' / f'{name}.png'
    stored = read_indices(path)
    if stored.ndim != 2 or stored.max() > len(NYUD_40):
        raise DataError(
            f'{path} holds the value {stored.max()}; valid values are 0 (unknown) and the '
            f'classes 1 to {len(NYUD_40)}.'
        )
    labels = np.where(stored == 0, UNLABELED, stored.astype(np.int64) - 1)
    depth_m = read_npy(folder / 'depth' / f'{name}.npy').astype(np.float32)
    depth_m[~(depth_m > 0)] = np.nan
    return replace(
        blank(rgb, Intrinsics(width, height, *FOCAL_PX, *CENTER_PX)),
        labels=fitting(checked_ids(labels, len(NYUD_40), path), 'segmentation'),
        depth_m=fitting(depth_m, 'depth'),
        normals=fitting(read_normals(folder / 'normals' / f'{name}.png', NORMAL_SIGNS), 'normals'),
        boundary=fitting(read_binary(folder / 'edge' / f'{name}.png'), 'edge'),
    )
