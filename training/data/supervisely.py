"""Supervisely: DATASET/{img/NAME, ann/NAME.json} below a folder with meta.json.

Coordinates are pixels. Bitmaps are PNGs, compressed by zlib, in base64.
"""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import MAX_PIXELS
from mtscene_ros.datasets.label_files import DataError, read_any_json
from mtscene_ros.models.spec import MALFORMED, brief
from training.data.drawing import DrawOptions, Mask, Size, box_mask, polygon_mask
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


def supervisely_frames(source: Path, options: DrawOptions, account: Account) -> Found:
    """source: the folder of the project. Raises DataError."""
    paths = sorted(source.rglob('ann/*.json'))
    if not paths:
        raise DataError(f'{source} has no ann/*.json; give the folder of a Supervisely project.')
    meta = source / 'meta.json'
    names = None
    try:
        if meta.is_file():
            names = [str(c['title']) for c in read_any_json(meta)['classes']]
        images = [read_one(path, source) for path in paths]
    except MALFORMED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{source} is not a Supervisely project ({brief(error)}).') from None
    return drawn_frames(source, images, names, options, account)


def read_one(path: Path, source: Path) -> AnnotatedImage:
    found = read_any_json(path)
    size = checked_size(found['size']['width'], found['size']['height'])
    name = path.parent.parent.relative_to(source) / 'img' / path.name.removesuffix('.json')
    return AnnotatedImage(name.as_posix(), size, [shape_of(row) for row in found['objects']])


def shape_of(row: dict[str, Any]) -> Shape:
    label, kind = str(row['classTitle']), str(row.get('geometryType'))
    points = row.get('points') or {}
    outer = np.array(points.get('exterior') or [], np.float64).reshape(-1, 2)
    if kind == 'polygon' and len(outer) >= 3:
        inner = [np.array(hole, np.float64) for hole in points.get('interior') or []]
        return Shape(label, lambda size: with_holes(outer, inner, size))
    if kind == 'rectangle' and len(outer) == 2:
        (left, top), (right, bottom) = outer.min(0), outer.max(0)
        return Shape(label, lambda size: box_mask(left, top, right, bottom, size))
    if kind == 'bitmap':
        return Shape(label, lambda size: bitmap(row['bitmap'], size))
    return undrawable(kind, label)


def with_holes(outer: NDArray[np.float64], inner: list[NDArray[np.float64]], size: Size) -> Mask:
    mask = polygon_mask(outer, size)
    for hole in inner:
        mask &= ~polygon_mask(hole, size)
    return mask


def bitmap(found: dict[str, Any], size: Size) -> Mask:
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(base64.b64decode(found['data']), MAX_PIXELS)
    except zlib.error as error:
        raise ValueError(f'a bitmap is damaged ({error})') from None
    image = decoded_png(data)
    left, top = (int(v) for v in found['origin'])
    return placed((image if image.ndim == 2 else image[..., -1]) > 0, left, top, size)
