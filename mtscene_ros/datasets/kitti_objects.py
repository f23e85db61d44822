"""KITTI's labels with everything that its own evaluation needs: types, rectangles in the image,
truncation, occlusion, and the regions of type DontCare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    optical_from_level_box,
    quaternion_from_matrix,
    rectangles_in_image,
)
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.datasets.kitti import KittiError
from mtscene_ros.types import Boxes3D, Intrinsics

F64 = NDArray[np.float64]

DONT_CARE = 'DontCare'
TYPE_OF_CLASS = {'car': 'Car', 'person': 'Pedestrian', 'bicycle': 'Cyclist'}


@dataclass(frozen=True, slots=True, eq=False)
class KittiObjects:
    """Objects or detections of one image.

    types: KITTI's names; rectangles_px: (N, 4) left, top, right, bottom; boxes: N in 3D, of any
    class; truncated, occluded: (N,), 0 for detections; scores: (N,), 0 for objects.
    """

    types: tuple[str, ...]
    rectangles_px: F64
    boxes: Boxes3D
    truncated: F64
    occluded: F64
    scores: F64


def objects_of_sequence(path: Path, optical_from_rectified_m: F64) -> dict[int, KittiObjects]:
    """Returns frame number → objects of a sequence of the tracking benchmark.

    optical_from_rectified_m: (3,) as in KittiCalibration. Raises KittiError.
    """
    rows: dict[int, list[tuple[str, F64]]] = {}
    for line in _lines(path):
        frame, _, kind, *numbers = line.split()
        rows.setdefault(int(frame), []).append((kind, np.array(numbers[:14], np.float64)))
    return {k: objects_of_rows(of, optical_from_rectified_m) for k, of in rows.items()}


def _lines(path: Path) -> list[str]:
    """Returns the lines whose numbers can be read. Raises KittiError."""
    try:
        lines = path.read_text('utf-8').splitlines()
        for line in lines:
            frame, _, _, *numbers = line.split()
            if len([float(n) for n in (frame, *numbers)]) < 15:
                raise ValueError(f'{len(numbers)} numbers instead of 14')
    except (OSError, ValueError) as error:
        raise KittiError(f'{path} cannot be read: {error}.') from error
    return lines


def objects_of_rows(rows: list[tuple[str, F64]], optical_from_rectified_m: F64) -> KittiObjects:
    """Returns the objects of one image; rows: type and 14 numbers, truncation to rotation_y."""
    values = np.array([v for _, v in rows], np.float64).reshape(len(rows), 14)
    heights_m = np.clip(values[:, 7], 0, None)  # -1 of a region that has no place in 3D
    centers_m = values[:, 10:13] + optical_from_rectified_m
    centers_m[:, 1] -= heights_m / 2  # the labels give the centre of the bottom; y points down
    count = len(rows)
    boxes = Boxes3D(
        np.zeros(count, np.int64),
        np.ones(count, np.float32),
        centers_m,
        np.clip(values[:, [9, 8, 7]], 0, None),
        quaternion_from_matrix(optical_from_level_box(values[:, 13])),
        DRIVE_BOXES,
    )
    types = tuple(kind for kind, _ in rows)
    return KittiObjects(types, values[:, 3:7], boxes, values[:, 0], values[:, 1], np.zeros(count))


def detections(
    boxes: Boxes3D, camera: Intrinsics, types: Mapping[str, str] = TYPE_OF_CLASS
) -> KittiObjects:
    """Returns boxes of DRIVE_BOXES as detections; types: class → KITTI's type, for those that
    KITTI scores."""
    kept = boxes.select(np.array([boxes.classes[k].name in types for k in boxes.class_ids], bool))
    rectangles, is_visible = rectangles_in_image(kept, camera)
    seen, nothing = kept.select(is_visible), np.zeros(int(is_visible.sum()))
    names = tuple(types[seen.classes[k].name] for k in seen.class_ids)
    scores = seen.scores.astype(np.float64)
    return KittiObjects(names, rectangles[is_visible], seen, nothing, nothing, scores)
