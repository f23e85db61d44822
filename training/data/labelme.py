"""labelme: one JSON file per image, {imagePath, imageWidth, imageHeight, shapes}.

Coordinates are pixels from the upper left corner of the image. Where shapes overlap, the later
wins.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.label_files import DataError, read_any_json
from mtscene_ros.models.spec import MALFORMED, brief
from training.data.drawing import (
    DrawOptions,
    Mask,
    Size,
    box_mask,
    ellipse_corners,
    polygon_mask,
)
from training.data.manifest_writer import Account
from training.data.shapes import (
    AnnotatedImage,
    Found,
    Shape,
    checked_size,
    decoded_png,
    drawn_frames,
    placed,
    undrawable,
)


def labelme_frames(source: Path, options: DrawOptions, account: Account) -> Found:
    """source: a folder of JSON files, or one. Raises DataError."""
    paths = sorted(source.rglob('*.json')) if source.is_dir() else [source]
    if not paths:
        raise DataError(f'{source} has no JSON files; labelme writes one per image.')
    images = [read_one(path, source) for path in paths]
    return drawn_frames(source, images, None, options, account)


def read_one(path: Path, source: Path) -> AnnotatedImage:
    """Raises DataError."""
    found = read_any_json(path)
    try:
        size = None
        if found.get('imageWidth') and found.get('imageHeight'):
            size = checked_size(found['imageWidth'], found['imageHeight'])
        shapes = [shape_of(row) for row in found['shapes']]
        folder = path.parent.relative_to(source) if source.is_dir() else Path()
        name = str(found['imagePath']).replace('\\', '/')
    except MALFORMED as error:
        raise DataError(f'{path} is not a file of labelme ({brief(error)}).') from None
    return AnnotatedImage((folder / name).as_posix(), size, shapes)


def shape_of(row: dict[str, Any]) -> Shape:
    label, kind = str(row['label']), str(row.get('shape_type') or 'polygon')
    points = np.array(row.get('points') or [], np.float64).reshape(-1, 2)
    if kind == 'rectangle':
        return Shape(label, lambda size: rectangle(points, size))
    if kind == 'polygon' and len(points) >= 3:
        return Shape(label, lambda size: polygon_mask(points, size))
    if kind == 'circle':
        return Shape(label, lambda size: circle(points, size))
    if kind == 'mask':
        return Shape(label, lambda size: drawn_mask(row['mask'], points, size))
    return undrawable(kind, label)


def rectangle(points: NDArray[np.float64], size: Size) -> Mask:
    """Two opposite corners, or the four of a turned one."""
    if len(points) == 4:
        return polygon_mask(points, size)
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return box_mask(left, top, right, bottom, size)


def circle(points: NDArray[np.float64], size: Size) -> Mask:
    """The centre and a point of the edge."""
    radius = float(np.linalg.norm(points[1] - points[0]))
    return polygon_mask(ellipse_corners(points[0], np.array([radius, radius]), 0.0), size)


def drawn_mask(encoded: str, points: NDArray[np.float64], size: Size) -> Mask:
    """A PNG whose upper left pixel is the first point."""
    found = decoded_png(base64.b64decode(encoded))
    left, top = np.floor(points[0]).astype(int)
    return placed((found if found.ndim == 2 else found[..., 0]) > 0, int(left), int(top), size)
