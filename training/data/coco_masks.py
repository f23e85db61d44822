"""Segmentation masks of COCO's JSON. Where masks overlap, the later one wins."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import check_size
from mtscene_ros.datasets.label_files import DataError, read_any_json
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.types import UNLABELED
from training.data.drawing import DrawOptions, Size, box_mask
from training.data.manifest_writer import Account, LabelledFrame
from training.data.shapes import found_frames

MAX_CORNER = 4.0  # times the image size, from the origin
Rows = list[dict[str, Any]]


def coco_frames(
    source: Path, options: DrawOptions, account: Account
) -> tuple[list[str], Iterator[LabelledFrame]]:
    """Reads classes and masks of a COCO file (polygons or RLE); needs pycocotools. Raises
    DataError."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = read_any_json(source)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        known = sorted(coco.dataset['categories'], key=lambda c: int(c['id']))
        names = options.classes or list(dict.fromkeys(str(c['name']) for c in known))
        ids = {int(c['id']): names.index(c['name']) for c in known if c['name'] in names}
        found = [
            (
                str(i['file_name']),
                size_of(i),
                taken(coco.imgToAnns[i['id']], ids, size_of(i), options, account),
            )
            for i in coco.dataset['images']
        ]
        listed = {i['id'] for i in coco.dataset['images']}
        strays = sum(len(rows) for k, rows in coco.imgToAnns.items() if k not in listed)
    except (AssertionError, *MALFORMED) as error:
        raise DataError(f'{source} is not a COCO annotation ({brief(error)}).') from None
    account.regions += strays
    if strays:
        account.left_out['region{s} of images that are not listed'] += strays
    if not any(rows for _, _, rows in found):
        reasons = '; '.join(account.sentences()) or 'it lists none'
        raise DataError(
            f'{source} has no mask to convert: {reasons.removesuffix(".")}. --fill-boxes draws '
            'boxes as masks.'
        )
    return names, frames_of(source, found, ids, coco, options, account)


def taken(
    rows: Rows,
    ids: dict[int, int],
    size: tuple[int, int],
    options: DrawOptions,
    account: Account,
) -> Rows:
    """Returns the rows to be drawn. Raises ValueError for a mask that is broken."""
    found = []
    for row in rows:
        account.regions += 1
        reason = why_not(row, ids, options)
        if reason:
            account.left_out[reason] += 1
            continue
        if row.get('segmentation'):
            check_shape(row['segmentation'], size)
        found.append(row)
    return found


def why_not(row: dict[str, Any], ids: dict[int, int], options: DrawOptions) -> str:
    """Returns why a row cannot be drawn, '' if it can."""
    if int(row['category_id']) not in ids:
        return 'region{s} of another class'
    shape = row.get('segmentation')
    if isinstance(shape, list) and shape and isinstance(shape[0], int | float):
        shape = [shape]  # one polygon, not in a list
    if isinstance(shape, list):
        row['segmentation'] = shape = [part for part in shape if len(part) >= 6]
    if shape:
        return ''
    if row.get('bbox') and options.fill_boxes:
        return ''
    if row.get('keypoints'):
        return 'set{s} of key points'
    return 'box{es} without a mask' if row.get('bbox') else 'row{s} without a mask'


def frames_of(
    source: Path,
    found: list[tuple[str, tuple[int, int], Rows]],
    ids: dict[int, int],
    coco: Any,
    options: DrawOptions,
    account: Account,
) -> Iterator[LabelledFrame]:
    def paint(named: tuple[str, Rows], size: Size) -> NDArray[np.uint8]:
        name, rows = named
        labels = np.full(size, UNLABELED, np.uint8)
        for row in rows:
            labels[mask_of(row, size, coco, f'{source}, {name}')] = ids[int(row['category_id'])]
        return labels

    images = [(name, size, (name, rows)) for name, size, rows in found]
    return found_frames(source, images, paint, options, account)


def mask_of(
    row: dict[str, Any], size: tuple[int, int], coco: Any, where: str
) -> NDArray[np.bool_]:
    """Raises DataError."""
    try:
        if not row.get('segmentation'):
            x, y, width, height = (float(v) for v in row['bbox'])
            return box_mask(x, y, x + width, y + height, size)
        return np.asarray(coco.annToMask(row) > 0)
    except Exception as error:  # pycocotools raises exactly this class
        raise DataError(f'{where}: {brief(error)}.') from None


def size_of(image: dict[str, Any]) -> tuple[int, int]:
    """Returns height and width. Raises ImageError if they are implausible."""
    size = int(image['height']), int(image['width'])
    check_size(size[1], size[0])
    return size


def check_shape(shape: Any, size: tuple[int, int]) -> None:
    """Raises ValueError for shapes that make pycocotools' C code allocate more memory than exists:
    corners far outside the image, or run lengths that belong to another image size."""
    if isinstance(shape, list):
        corners = np.array([value for part in shape for value in part], np.float64)
        if not np.isfinite(corners).all() or np.abs(corners).max(initial=0) > MAX_CORNER * max(
            size
        ):
            raise ValueError('a polygon extends far outside its image')
    elif isinstance(shape, dict):
        if [int(n) for n in shape['size']] != list(size):
            raise ValueError(f'a mask of {shape["size"]} pixels in an image of {list(size)}')
        counts = shape['counts']
        if isinstance(counts, list) and (sum(counts) != size[0] * size[1] or min(counts) < 0):
            raise ValueError('the run lengths do not add up to the number of pixels')
        if not isinstance(counts, list | str):
            raise TypeError(f'"counts" has the type {type(counts).__name__}')
    else:
        raise TypeError(f'"segmentation" has the type {type(shape).__name__}')
