"""Reads data sets into Samples; each data set has one file here and one line in DATASETS.

Augmentation and conversion of Samples live here too. Targets, losses and anything that needs torch
do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from training.data import (
    camvid,
    manifest_samples,
    nyud,
    pascal_context,
    rendered,
    rgbd_samples,
)
from training.data.by_name import Tables
from training.data.cityscapes3d import PUBLISHED_SKY_ID, Cityscapes3D
from training.data.kitti_samples import KittiObject, KittiTracking
from training.data.sample import Sample


class DataSet(Protocol):
    """A module of this folder, or an object from one. All methods raise DataError, which names
    the file.

    folder: root of the data set (for manifests: the YAML file); name: one of `names`; tables: what
    the ids of its samples mean.
    """

    def names(self, folder: Path, split: str) -> list[str]: ...

    def tables(self, folder: Path) -> Tables: ...

    def read(self, folder: Path, name: str) -> Sample: ...


DATASETS: dict[str, DataSet] = {
    'worlds': rendered,
    'manifest': manifest_samples,
    'nyud': nyud,
    'pascal_context': pascal_context,
    'cityscapes3d': Cityscapes3D(),
    'cityscapes3d_compat': Cityscapes3D(PUBLISHED_SKY_ID),
    'camvid': camvid,
    'kitti_object': KittiObject(),
    'kitti_tracking': KittiTracking(),
    'rgbd': rgbd_samples,
}
