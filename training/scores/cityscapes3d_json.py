"""Converts published boxes to annotations in the vehicle frame, the format that the 3D evaluation
of cityscapesScripts reads (Gählert et al., Cityscapes 3D, 2020).

Source: docs/network-specification.md, section 4.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    box_corners,
    matrix_from_quaternion,
    project,
    quaternion_from_matrix,
)
from mtscene_ros.tasks.fcos3d import (
    OPTICAL_FROM_UPRIGHT,
    PublishedBoxes,
    quaternions_from_angles,
)
from mtscene_ros.types import Intrinsics, SemanticClass

F64 = NDArray[np.float64]


def vehicle_annotations(
    boxes: PublishedBoxes,
    classes: tuple[SemanticClass, ...],
    intrinsics: Intrinsics,
    sensor_from_vehicle: F64,
) -> list[dict[str, Any]]:
    """Converts the boxes of one image.

    sensor_from_vehicle: (3, 4), the calibration's sensor_T_ISO_8855. 2D boxes are x, y, width,
    height; rotations are quaternions w, x, y, z; angle bins stay as the network chose them."""
    rotation, shift = sensor_from_vehicle[:, :3], sensor_from_vehicle[:, 3]
    vehicle_from_optical = rotation.T @ OPTICAL_FROM_UPRIGHT.T
    optical_from_box = matrix_from_quaternion(quaternions_from_angles(boxes.angles_rad))
    centers_m = boxes.centers_m @ vehicle_from_optical.T - rotation.T @ shift
    rotations = quaternion_from_matrix(vehicle_from_optical @ optical_from_box)[:, [3, 0, 1, 2]]
    corners_px = project(box_corners(boxes.centers_m, boxes.sizes_m, optical_from_box), intrinsics)
    last_px = np.array([intrinsics.width_px - 1, intrinsics.height_px - 1] * 2)
    around_px = np.concatenate([corners_px.min(1), corners_px.max(1)], 1)
    amodal_px = np.clip(around_px, 0, last_px)
    return [
        {
            '2d': {'amodal': corner_and_size(whole), 'modal': corner_and_size(visible)},
            '3d': {
                'center': center.tolist(),
                'dimensions': size.tolist(),
                'rotation': quaternion.tolist(),
            },
            'label': classes[class_id].name,
            'score': float(score),
        }
        for whole, visible, center, size, quaternion, class_id, score in zip(
            amodal_px,
            boxes.bbox2d_px,
            centers_m,
            boxes.sizes_m,
            rotations,
            boxes.class_ids,
            boxes.scores,
            strict=True,
        )
    ]


def corner_and_size(box_px: F64) -> list[float]:
    """Converts x1 y1 x2 y2 to x, y, width, height."""
    x1, y1, x2, y2 = box_px.tolist()
    return [x1, y1, x2 - x1, y2 - y1]
