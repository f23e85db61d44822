"""Cityscapes-3D (Gählert et al., 2020): classes, disparity, 3D boxes of vehicles.

Source: docs/network-specification.md, sections 0 and 5.

    leftImg8bit/SPLIT/CITY/ID_leftImg8bit.png    gtFine/SPLIT/CITY/ID_gtFine_labelIds.png
    disparity/SPLIT/CITY/ID_disparity.png        camera/SPLIT/CITY/ID_camera.json
    gtBbox3d/SPLIT/CITY/ID_gtBbox3d.json

Box files refer to the vehicle frame (ISO 8855: x forward, y left, z up) and to 2D boxes given as
x, y, width, height. Depth is baseline times focal length over disparity, and infinite in the sky.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, quaternion_from_matrix, yaw_of_box
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.datasets.label_files import (
    DataError,
    checked_camera,
    folder_of,
    read_image,
    read_indices,
    read_json,
    read_rgb,
    same_size,
)
from mtscene_ros.tasks.fcos3d import OPTICAL_FROM_UPRIGHT
from mtscene_ros.types import UNLABELED, Intrinsics
from training.data.by_name import Tables
from training.data.sample import Sample, blank

# Cityscapes' label ids of its 19 training classes, in their order.
LABEL_IDS = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)
LABELS = 34
SKY_ID, PUBLISHED_SKY_ID = 23, 10  # TaskPrompter's loader mistakes rail tracks for sky
DISPARITY_STEP = 256.0
CLASS_IDS = {c.name: c.id for c in DRIVE_BOXES[:6]}


@dataclass(frozen=True, slots=True)
class Cityscapes3D:
    """sky_id: label id whose pixels get infinite depth."""

    sky_id: int = SKY_ID

    def names(self, folder: Path, split: str) -> list[str]:
        """Lists the frames; as published, `train` has only those with an object of the six
        classes."""
        where = folder_of(folder / 'leftImg8bit' / split, "Cityscapes' images by city")
        found = sorted(where.glob('*/*_leftImg8bit.png'))
        if not found:
            raise DataError(f'{where} holds no images CITY/ID_leftImg8bit.png.')
        frames = [f'{split}/{p.parent.name}/{p.name.rsplit("_", 1)[0]}' for p in found]
        return [f for f in frames if split != 'train' or known_objects(folder, f)]

    def tables(self, folder: Path) -> Tables:
        return Tables(CITYSCAPES_19, DRIVE_BOXES)

    def read(self, folder: Path, name: str) -> Sample:
        """Raises DataError."""
        rgb = read_rgb(folder / 'leftImg8bit' / f'{name}_leftImg8bit.png')
        path = folder / 'gtFine' / f'{name}_gtFine_labelIds.png'
        ids = same_size(read_indices(path), rgb, path)
        if ids.ndim != 2 or ids.max() >= LABELS:
            raise DataError(f'{path} holds the label id {ids.max()}, but ids end at {LABELS - 1}.')
        camera, baseline_m = read_camera(folder / 'camera' / f'{name}_camera.json', rgb.shape)
        path = folder / 'disparity' / f'{name}_disparity.png'
        stored = same_size(read_image(path), rgb, path)
        depth_m = depth_of(stored, baseline_m * camera.fx_px)
        depth_m[ids == self.sky_id] = np.inf
        return replace(
            blank(rgb, camera),
            labels=training_ids()[ids],
            depth_m=depth_m,
            baseline_m=baseline_m,
            **boxes_of(folder, name),
        )


def training_ids() -> NDArray[np.uint8]:
    """Returns (256,): label id → id of CITYSCAPES_19."""
    table = np.full(256, UNLABELED, np.uint8)
    table[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))
    return table


def depth_of(stored: NDArray[Any], baseline_focal: float) -> NDArray[np.float32]:
    """Converts stored disparity (uint16) to metres: 0 is unknown, p > 0 means (p - 1) / 256 px,
    and zero disparity is infinite depth."""
    disparity_px = (stored.astype(np.float64) - 1) / DISPARITY_STEP
    with np.errstate(divide='ignore'):
        depth_m = baseline_focal / np.maximum(disparity_px, 0)
    return np.where(stored == 0, np.nan, depth_m).astype(np.float32)


def disparity_of(depth_m: NDArray[np.float32], baseline_focal: float) -> NDArray[np.float32]:
    """Inverse of `depth_of`, in pixels: 0 where depth is infinite, NaN where it is unknown."""
    return np.asarray(baseline_focal / depth_m, np.float32)


def read_camera(path: Path, size: tuple[int, ...]) -> tuple[Intrinsics, float]:
    """Reads the intrinsics and the stereo baseline in metres. Raises DataError."""
    found = read_json(path)
    try:
        inner, baseline_m = found['intrinsic'], float(found['extrinsic']['baseline'])
        pixels = dict(
            zip(
                ('fx_px', 'fy_px', 'cx_px', 'cy_px'),
                (inner['fx'], inner['fy'], inner['u0'], inner['v0']),
                strict=True,
            )
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f'{path}: the calibration cannot be read ({error}).') from None
    if not baseline_m > 0:
        raise DataError(f'{path}: the baseline is {baseline_m} m; it must be positive.')
    return checked_camera(pixels, (size[0], size[1]), path), baseline_m


def known_objects(folder: Path, name: str) -> list[dict[str, Any]]:
    found = read_json(folder / 'gtBbox3d' / f'{name}_gtBbox3d.json').get('objects', [])
    return [o for o in found if o.get('label') in CLASS_IDS]


def boxes_of(folder: Path, name: str) -> dict[str, Any]:
    """Reads the box fields of a Sample. Raises DataError."""
    path = folder / 'gtBbox3d' / f'{name}_gtBbox3d.json'
    objects = known_objects(folder, name)
    try:
        sensor = np.array(read_json(path)['sensor']['sensor_T_ISO_8855'], np.float64)
        rotation, shift = sensor[:3, :3], sensor[:3, 3]
        center_m, size_m, turn = (
            np.array([o['3d'][key] for o in objects], np.float64).reshape(len(objects), n)
            for key, n in (('center', 3), ('dimensions', 3), ('rotation', 4))
        )
        modal = np.array([o['2d']['modal'] for o in objects], np.float64).reshape(-1, 4)
        hidden = np.array([o.get('occlusion', 0) for o in objects], np.float32)
        truncated = np.array([o.get('truncation', 0) for o in objects], np.float32)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f'{path} is not a 3D annotation of Cityscapes ({error}).') from None
    upright_from_box = matrix_from_quaternion(turn[:, [1, 2, 3, 0]])
    optical_from_box = OPTICAL_FROM_UPRIGHT @ rotation @ upright_from_box
    quaternions = quaternion_from_matrix(optical_from_box)
    return {
        'class_ids': np.array([CLASS_IDS[o['label']] for o in objects], np.int64),
        'centers_m': (center_m @ rotation.T + shift) @ OPTICAL_FROM_UPRIGHT.T,
        'sizes_m': size_m,
        'quaternions_xyzw': quaternions,
        'yaw_rad': yaw_of_box(matrix_from_quaternion(quaternions)),
        'bbox_px': np.concatenate([modal[:, :2], modal[:, :2] + modal[:, 2:]], 1),
        'visible': 1 - hidden,
        'truncated': truncated,
        'has_boxes': True,
    }
