"""CamVid (Brostow et al., 2009) with the 11 classes and 480x360 px of SegNet's copy.

SPLIT/ID.{png,jpg}  SPLITannot/ID.png (0 to 10, 11 unknown)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mtscene_ros.datasets.classes import CAMVID
from mtscene_ros.datasets.label_files import (
    DataError,
    checked_ids,
    folder_of,
    read_indices,
    read_rgb,
    same_size,
    typical_camera,
)
from mtscene_ros.types import UNLABELED
from training.data.by_name import Tables
from training.data.sample import Sample, blank

VOID = len(CAMVID)


def names(folder: Path, split: str) -> list[str]:
    """Returns names such as 'val/ID.jpg'. Raises DataError."""
    where = folder_of(folder / split, "CamVid's images of the split")
    found = sorted(p for p in where.iterdir() if p.suffix in ('.png', '.jpg'))
    if not found:
        raise DataError(
            f'{where} holds no PNG or JPEG images; give the folder that holds the splits.'
        )
    return [f'{split}/{p.name}' for p in found]


def tables(folder: Path) -> Tables:
    return Tables(CAMVID)


def read(folder: Path, name: str) -> Sample:
    """Raises DataError."""
    rgb = read_rgb(folder / name)
    split, file = name.split('/')
    path = folder / f'{split}annot' / f'{Path(file).stem}.png'
    stored = read_indices(path)
    labels = np.where(stored == VOID, UNLABELED, stored)
    found = same_size(checked_ids(labels, VOID, path), rgb, path)
    return replace(blank(rgb, typical_camera(rgb.shape[:2])), labels=found)
