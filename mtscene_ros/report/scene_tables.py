"""Scenes as rows: detections for CSV, whole scenes for JSON lines, label and depth maps as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import rectangles_in_image
from mtscene_ros.models.atomic_file import write_bytes
from mtscene_ros.types import Boxes3D, DepthMap, LabelMap, Scene

MM_PER_M = 1000.0
MAX_MM = 65535
BOX_FIELDS = (
    'image', 'time_s', 'class', 'score', 'x_m', 'y_m', 'z_m', 'length_m', 'width_m', 'height_m',
    'qx', 'qy', 'qz', 'qw', 'left_px', 'top_px', 'right_px', 'bottom_px',
)  # fmt: skip


def box_rows(name: str, time_s: float, scene: Scene) -> list[dict[str, Any]]:
    """Returns one row for each box, with BOX_FIELDS as keys.

    Metres are in the optical frame (x right, y down, z forward), qx to qw is optical_from_box, and
    the pixels are the rectangle around what is visible; empty for a box outside of the image.
    """
    boxes, camera = scene.results.get('boxes3d'), scene.frame.intrinsics
    if not isinstance(boxes, Boxes3D) or camera is None:
        return []
    rectangles, visible = rectangles_in_image(boxes, camera)
    rows = []
    for i in range(len(boxes)):
        numbers = [*boxes.centers_m[i], *boxes.sizes_m[i], *boxes.quaternions_xyzw[i]]
        pixels = [round(float(v), 1) for v in rectangles[i]] if visible[i] else [''] * 4
        values = [
            name, round(time_s, 6), boxes.classes[boxes.class_ids[i]].name,
            round(float(boxes.scores[i]), 4), *(round(float(v), 4) for v in numbers), *pixels,
        ]  # fmt: skip
        rows.append(dict(zip(BOX_FIELDS, values, strict=True)))
    return rows


def scene_record(
    name: str, time_s: float, scene: Scene, is_camera_guessed: bool
) -> dict[str, Any]:
    """Returns an object with image, camera, boxes and the share of pixels of each class."""
    height_px, width_px = scene.frame.rgb.shape[:2]
    camera = scene.frame.intrinsics
    record: dict[str, Any] = {
        'image': name,
        'time_s': round(time_s, 6),
        'width_px': width_px,
        'height_px': height_px,
        'camera': camera
        and {
            'fx_px': camera.fx_px,
            'fy_px': camera.fy_px,
            'cx_px': camera.cx_px,
            'cy_px': camera.cy_px,
            'is_guessed': is_camera_guessed,
        },
        'ms': {stage: round(1000 * s, 2) for stage, s in scene.stage_s.items()},
    }
    if isinstance(scene.results.get('boxes3d'), Boxes3D):
        rows = box_rows(name, time_s, scene)
        record['boxes'] = [
            {k: v for k, v in row.items() if k not in ('image', 'time_s') and v != ''}
            for row in rows
        ]
    labels = scene.results.get('semantic')
    if isinstance(labels, LabelMap):
        record['classes'] = class_shares(labels)
    return record


def class_shares(labels: LabelMap) -> dict[str, float]:
    """Returns the share of pixels of each class that occurs, largest first."""
    counts = np.bincount(labels.labels.ravel())
    found = {
        c.name: round(float(counts[c.id]) / labels.labels.size, 4)
        for c in labels.classes
        if c.id < len(counts) and counts[c.id]
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def write_labels(path: Path, labels: LabelMap) -> None:
    """Writes class ids as a PNG of one channel; 255 (65535) is a pixel without a class."""
    write_png(path, labels.labels)


def write_depth(path: Path, depth: DepthMap) -> int:
    """Writes millimetres as a 16-bit PNG, where 0 is unknown or out of range.

    Returns the number of pixels whose depth the file cannot hold, 65.535 m and more.
    """
    depth_mm = np.rint(depth.depth_m * MM_PER_M)
    fits = np.isfinite(depth_mm) & (depth_mm > 0) & (depth_mm <= MAX_MM)
    write_png(path, np.where(fits, depth_mm, 0).astype(np.uint16))
    return int(np.count_nonzero(np.isfinite(depth_mm) & (depth_mm > MAX_MM)))


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    write_bytes(path, encoded(pixels, '.png'))


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Writes an (H, W, 3) RGB picture as JPEG."""
    bgr = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    write_bytes(path, encoded(bgr, '.jpg'))


def encoded(pixels: NDArray[Any], suffix: str) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()
