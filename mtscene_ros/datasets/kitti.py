"""Reads KITTI's tracking sequences and object benchmark (Geiger et al., IJRR 2013, CVPR 2012).

Labels and LiDAR points are moved into the optical frame of camera 2: P2 = K [I | t] with t its
offset from the rectified camera 0 that the labels refer to, so X_2 = X_0 + K^-1 P2[:, 3].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    intrinsics_from_matrix,
    optical_from_level_box,
    quaternion_from_matrix,
)
from mtscene_ros.camera.images import ImageError, rgb_from_compressed
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.datasets.moments import BASE_FROM_OPTICAL_AXES, Moment
from mtscene_ros.types import Boxes3D

F64 = NDArray[np.float64]

EPOCH_NS = 1_317_000_000_000_000_000  # autumn 2011; the sequences have no stamps of their own
PERIOD_NS = 100_000_000
CAMERA_HEIGHT_M = 1.65
CLASS_OF_TYPE = {
    'Car': 'car', 'Van': 'car', 'Truck': 'truck', 'Tram': 'train', 'Pedestrian': 'person',
    'Person': 'person', 'Person_sitting': 'person', 'Cyclist': 'bicycle',
}  # fmt: skip
CLASS_IDS = {c.name: c.id for c in DRIVE_BOXES}
CACHED_SEQUENCES = 32  # label files that are kept parsed; KITTI has 21 training sequences

# Class id, track id, and the 14 numbers of a line, from truncation to rotation_y.
Row = tuple[int, str, F64]


class KittiError(ValueError):
    """A file of the sequence is missing or broken; the message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class KittiCalibration:
    """The calibration of a sequence.

    k: (3, 3) in pixels; optical_from_rectified_m: (3,) shift in metres; optical_from_lidar: (4,
    4).
    """

    k: F64
    optical_from_rectified_m: F64
    optical_from_lidar: F64


def kitti_moments(folder: Path, sequence: str) -> Iterator[Moment]:
    """Yields the frames of one sequence in `folder` (image_2, label_2, calib, velodyne).

    Raises KittiError.
    """
    calibration = read_calibration(folder / 'calib' / f'{sequence}.txt')
    labels = read_labels(folder / 'label_2' / f'{sequence}.txt', calibration)
    images = sorted((folder / 'image_2' / sequence).glob('*.png'))
    if not images:
        raise KittiError(f'{folder / "image_2" / sequence} contains no PNG images.')
    for path in images:
        if not path.stem.isdecimal():
            raise KittiError(f'{path} is not named by a frame number.')
        number = int(path.stem)
        boxes = labels.get(number, NOTHING)
        points = folder / 'velodyne' / sequence / f'{path.stem}.bin'
        yield _moment(path, calibration, boxes, points, EPOCH_NS + number * PERIOD_NS)


def tracking_moment(folder: Path, sequence: str, name: str) -> Moment:
    """Returns one frame of a sequence, named by the stem of its image. Raises KittiError."""
    calibration = read_calibration(folder / 'calib' / f'{sequence}.txt')
    rows = _label_rows(folder / 'label_2' / f'{sequence}.txt').get(int(name), [])
    image, points = (
        folder / part / sequence / f'{name}.{suffix}'
        for part, suffix in (('image_2', 'png'), ('velodyne', 'bin'))
    )
    return _moment(image, calibration, _tracked(rows, calibration), points, EPOCH_NS)


def object_moment(folder: Path, name: str) -> Moment:
    """Returns one frame of the object benchmark's `training` or `testing` folder.

    These frames are not related in time. Raises KittiError.
    """
    calibration = read_calibration(folder / 'calib' / f'{name}.txt')
    labels = folder / 'label_2' / f'{name}.txt'
    if not labels.is_file():
        raise KittiError(f'{labels} is missing; it holds the labels.')
    rows = [f'0 {k} {line}' for k, line in enumerate(_lines(labels))]
    boxes = _tracked(_parsed(rows, labels).get(0, []), calibration)
    image, points = folder / 'image_2' / f'{name}.png', folder / 'velodyne' / f'{name}.bin'
    return _moment(image, calibration, boxes, points, EPOCH_NS)


def _moment(
    image: Path,
    calibration: KittiCalibration,
    found: tuple[Boxes3D, list[str]],
    points: Path,
    stamp_ns: int,
) -> Moment:
    if not image.is_file():
        raise KittiError(f'{image} is missing.')
    try:
        rgb = rgb_from_compressed('png', np.fromfile(image, np.uint8))
    except ImageError as error:
        raise KittiError(f'{image}: {error}') from None
    base_from_optical = np.eye(4)
    base_from_optical[:3, :3] = BASE_FROM_OPTICAL_AXES
    base_from_optical[2, 3] = CAMERA_HEIGHT_M
    return Moment(
        stamp_ns=stamp_ns,
        rgb=rgb,
        intrinsics=intrinsics_from_matrix(calibration.k, rgb.shape[1], rgb.shape[0]),
        boxes=found[0],
        ids=found[1],
        base_from_optical=base_from_optical,
        points=_points(points),
        base_from_lidar=base_from_optical @ calibration.optical_from_lidar,
    )


def read_calibration(path: Path) -> KittiCalibration:
    """Reads a calibration file of either benchmark. Raises KittiError."""
    if not path.is_file():
        raise KittiError(f'{path} is missing; it holds the calibration.')
    rows = {}
    for line in _lines(path):
        name, *numbers = line.replace(':', ' ').split() or ['']
        try:
            rows[name] = np.array([float(n) for n in numbers])
        except ValueError as error:
            raise KittiError(f'{path}: {name} is not a calibration ({error}).') from error
    try:
        p2 = rows['P2'].reshape(3, 4)
        rectified_from_camera, camera_from_lidar = np.eye(4), np.eye(4)
        # The files of the object benchmark use other names for the last two.
        turn = rows['R_rect'] if 'R_rect' in rows else rows['R0_rect']
        lidar = rows['Tr_velo_cam'] if 'Tr_velo_cam' in rows else rows['Tr_velo_to_cam']
        rectified_from_camera[:3, :3] = turn.reshape(3, 3)
        camera_from_lidar[:3] = lidar.reshape(3, 4)
    except (KeyError, ValueError) as error:
        raise KittiError(
            f'{path} lacks P2, R_rect (R0_rect) or Tr_velo_cam (Tr_velo_to_cam) ({error}).'
        ) from error
    try:
        shift_m = np.linalg.solve(p2[:, :3], p2[:, 3])
    except np.linalg.LinAlgError:
        shift_m = np.full(3, np.nan)
    if not (
        np.isfinite(shift_m).all() and np.isfinite(rectified_from_camera @ camera_from_lidar).all()
    ):
        raise KittiError(f'{path}: P2, R_rect or Tr_velo_cam do not describe a camera.')
    optical_from_lidar = rectified_from_camera @ camera_from_lidar
    optical_from_lidar[:3, 3] += shift_m
    return KittiCalibration(p2[:, :3], shift_m, optical_from_lidar)


def read_labels(path: Path, calibration: KittiCalibration) -> dict[int, tuple[Boxes3D, list[str]]]:
    """Returns frame number → boxes in the optical frame of camera 2 and their track ids.

    Raises KittiError.
    """
    return {number: _tracked(rows, calibration) for number, rows in _label_rows(path).items()}


def _label_rows(path: Path) -> dict[int, list[Row]]:
    """Returns frame number → rows of a sequence's label file. Raises KittiError.

    The file is parsed once and again when it has changed, as training reads it for every frame.
    """
    if not path.is_file():
        raise KittiError(f'{path} is missing; it holds the labels.')
    return _parsed_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=CACHED_SEQUENCES)
def _parsed_once(path: Path, changed_ns: int) -> dict[int, list[Row]]:
    """Parses the file once per modification time."""
    return _parsed(_lines(path), path)


def _parsed(lines: list[str], path: Path) -> dict[int, list[Row]]:
    """Returns frame number → rows. Raises KittiError."""
    rows: dict[int, list[Row]] = {}
    for row, line in enumerate(lines, start=1):
        try:
            frame, track, kind, *numbers = line.split()
            # truncated occluded alpha | left top right bottom | height width length | x y z | yaw
            number, values = int(frame), np.array([float(n) for n in numbers[:14]])
        except ValueError as error:
            raise KittiError(f'{path}, line {row}: {error}.') from error
        if len(values) < 14 or not np.isfinite(values).all():
            raise KittiError(
                f'{path}, line {row}: {len(values)} numbers instead of 14 finite ones.'
            )
        if kind in CLASS_OF_TYPE:
            rows.setdefault(number, []).append((CLASS_IDS[CLASS_OF_TYPE[kind]], track, values))
    return rows


def _tracked(rows: list[Row], calibration: KittiCalibration) -> tuple[Boxes3D, list[str]]:
    """Returns boxes in the optical frame of camera 2, in new arrays, and their track ids."""
    return _boxes(rows, calibration.optical_from_rectified_m), [track for _, track, _ in rows]


def _boxes(rows: list[Row], optical_from_rectified_m: F64) -> Boxes3D:
    values = np.array([v for _, _, v in rows]).reshape(len(rows), 14)
    height_m = values[:, 7]
    bottoms_m = values[:, 10:13] + optical_from_rectified_m
    centers_m = bottoms_m - np.stack([0 * height_m, height_m / 2, 0 * height_m], 1)
    return Boxes3D(
        class_ids=np.array([c for c, _, _ in rows], np.int64),
        scores=np.ones(len(rows), np.float32),
        centers_m=centers_m,  # the labels give the centre of the bottom; y points down
        sizes_m=values[:, [9, 8, 7]],
        quaternions_xyzw=quaternion_from_matrix(optical_from_level_box(values[:, 13])),
        classes=DRIVE_BOXES,
    )


NOTHING: tuple[Boxes3D, list[str]] = (_boxes([], np.zeros(3)), [])


def _points(path: Path) -> NDArray[np.float32] | None:
    if not path.is_file():
        return None
    values = np.fromfile(path, np.float32)
    if len(values) % 4:
        raise KittiError(f'{path} has {len(values)} numbers, which is not a multiple of four.')
    return values.reshape(-1, 4)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text('utf-8').splitlines()
    except UnicodeDecodeError:
        raise KittiError(f'{path} is not a text file.') from None
