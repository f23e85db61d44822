"""KITTI (Geiger et al., CVPR 2012): the object benchmark, and tracking sequences.

    object:   training/{image_2,calib,label_2}/ID.*  [training/velodyne/ID.bin]  [SPLIT.txt]
    tracking: image_2/SEQUENCE/ID.png  calib/SEQUENCE.txt  label_2/SEQUENCE.txt  [velodyne/...]

Depth comes from the LiDAR. The object benchmark defines no split: SPLIT.txt beside `training`
lists the ids (usually those of Chen et al., NIPS 2015); without that file every frame counts. For
a tracking folder the split names the sequence; 'all' selects every sequence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mtscene_ros.camera.geometry import matrix_from_quaternion, yaw_of_box
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.datasets.kitti import KittiError, object_moment, tracking_moment
from mtscene_ros.datasets.label_files import DataError, folder_of, lines_of
from mtscene_ros.datasets.moments import Moment
from mtscene_ros.evaluate.truth.lidar import lidar_depth
from training.data.by_name import Tables
from training.data.sample import Sample, blank


class KittiObject:
    """The object benchmark."""

    def names(self, folder: Path, split: str) -> list[str]:
        """Raises DataError."""
        images = folder_of(folder / 'training/image_2', "KITTI's images")
        if (folder / f'{split}.txt').is_file():
            return lines_of(folder / f'{split}.txt')
        found = sorted(path.stem for path in images.glob('*.png'))
        if not found:
            raise DataError(f'{images} holds no PNG images; download the left colour images.')
        return found

    def tables(self, folder: Path) -> Tables:
        return Tables((), DRIVE_BOXES)

    def read(self, folder: Path, name: str) -> Sample:
        """Raises DataError."""
        try:
            return sample_from_moment(object_moment(folder / 'training', name))
        except KittiError as error:
            raise DataError(str(error)) from None


class KittiTracking:
    """Tracking sequences frame by frame; names are 'SEQUENCE/NUMBER'."""

    def names(self, folder: Path, split: str) -> list[str]:
        """Raises DataError."""
        where = folder_of(folder / 'image_2', "KITTI's sequences")
        sequences = sorted(p.name for p in where.iterdir() if split in ('all', p.name))
        if not sequences:
            raise DataError(f'{where} holds no sequence {split}.')
        return [
            f'{sequence}/{path.stem}'
            for sequence in sequences
            for path in sorted((where / sequence).glob('*.png'))
        ]

    def tables(self, folder: Path) -> Tables:
        return Tables((), DRIVE_BOXES)

    def read(self, folder: Path, name: str) -> Sample:
        """Raises DataError."""
        sequence, number = name.split('/')
        try:
            return sample_from_moment(tracking_moment(folder, sequence, number))
        except KittiError as error:
            raise DataError(str(error)) from None


def sample_from_moment(found: Moment) -> Sample:
    boxes = found.boxes
    count = len(boxes)
    return replace(
        blank(found.rgb, found.intrinsics),
        depth_m=lidar_depth(found),
        class_ids=boxes.class_ids,
        centers_m=boxes.centers_m,
        sizes_m=boxes.sizes_m,
        quaternions_xyzw=boxes.quaternions_xyzw,
        yaw_rad=yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw)),
        visible=np.ones(count, np.float32),
        truncated=np.zeros(count, np.float32),
        has_boxes=True,
    )
