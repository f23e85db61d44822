"""Segmentation masks of annotation tools: COCO's JSON and Label Studio's JSON export.

What nobody drew is unknown (255). Of overlapping masks the later one wins.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.label_files import DataError, read_image
from mtscene_ros.types import UNLABELED

Masks = Iterator[tuple[Path, NDArray[np.uint8]]]  # image, (H, W) ids
SHAPES = ('polygonlabels', 'rectanglelabels', 'brushlabels')


def coco_frames(source: Path, images: Path, classes: list[str] | None) -> tuple[list[str], Masks]:
    """Classes and masks of a COCO file (polygons or RLE); needs pycocotools. Raises DataError."""
    from pycocotools.coco import COCO

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(source))
        known = sorted(coco.dataset['categories'], key=lambda c: int(c['id']))
        names = classes or [str(c['name']) for c in known]
        ids = {int(c['id']): names.index(c['name']) for c in known if c['name'] in names}
    except (OSError, KeyError, TypeError, AssertionError, json.JSONDecodeError) as error:
        raise DataError(f'{source} is no COCO annotation ({error!r}).') from None

    def masks() -> Masks:
        for image in coco.dataset['images']:
            labels = np.full((int(image['height']), int(image['width'])), UNLABELED, np.uint8)
            for row in coco.imgToAnns[image['id']]:
                if row['category_id'] in ids:
                    labels[coco.annToMask(row) > 0] = ids[row['category_id']]
            yield existing(images, str(image['file_name']), source), labels

    return names, masks()


def label_studio_frames(
    source: Path, images: Path, classes: list[str] | None
) -> tuple[list[str], Masks]:
    """Classes and masks of a JSON export: polygons, rectangles and brushes. Raises DataError."""
    try:
        tasks = json.loads(source.read_text())
        drawn = [(image_of(task), results_of(task)) for task in tasks]
    except (OSError, KeyError, TypeError, IndexError, ValueError) as error:
        raise DataError(f'{source} is no JSON export of Label Studio ({error!r}).') from None
    found = {label for _, results in drawn for r in results for label in labels_of(r)}
    names = classes or sorted(found)

    def masks() -> Masks:
        for name, results in drawn:
            path = existing(images, name, source)
            labels = np.full(read_image(path).shape[:2], UNLABELED, np.uint8)
            for result in results:
                for label in labels_of(result):
                    if label in names:
                        labels[drawn_mask(result, labels.shape)] = names.index(label)
            yield path, labels

    return names, masks()


def image_of(task: dict[str, Any]) -> str:
    """The last part of whatever the task calls its image."""
    values = [v for v in task['data'].values() if isinstance(v, str) and '.' in Path(v).suffix]
    return Path(values[0]).name


def results_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the newest annotation."""
    annotations = [a for a in task.get('annotations', []) if not a.get('was_cancelled')]
    return list(annotations[-1]['result']) if annotations else []


def labels_of(result: dict[str, Any]) -> list[str]:
    return [str(n) for kind in SHAPES for n in result.get('value', {}).get(kind, [])]


def drawn_mask(result: dict[str, Any], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """(H, W) of one region; coordinates are percents of the image."""
    value, percent = result['value'], np.array([size[1], size[0]]) / 100
    mask = np.zeros((size[0], size[1]), np.uint8)
    if 'rle' in value:
        shape = int(result['original_height']), int(result['original_width'])
        drawn = decoded_brush(value['rle']).reshape(*shape, 4)[..., 3]
        mask = np.asarray(cv2.resize(drawn, (size[1], size[0]), interpolation=cv2.INTER_NEAREST))
    elif 'points' in value:
        corners = np.array(value['points'], np.float64) * percent
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], (1,))
    else:
        x, y, width, height = (float(value[k]) for k in ('x', 'y', 'width', 'height'))
        low, high = np.array([x, y]) * percent, np.array([x + width, y + height]) * percent
        left, top, right, bottom = np.round([*low, *high]).astype(int)
        mask[top:bottom, left:right] = 1
    return np.asarray(mask > 0)


def decoded_brush(encoded: list[int]) -> NDArray[np.uint8]:
    """Label Studio's run lengths of an RGBA image, flat.

    A stream of bits: 32 for the number of values, 5 for their width less one, four times 4 for
    widths of lengths less one. Then blocks: 1 bit whether one value repeats, 2 bits which width
    the length less one has, the length, and the value or values.
    """
    bits = ''.join(f'{byte:08b}' for byte in encoded)
    at = 0

    def number(width: int) -> int:
        nonlocal at
        at += width
        return int(bits[at - width : at], 2)

    values = np.zeros(number(32), np.uint8)
    word = number(5) + 1
    widths = [number(4) + 1 for _ in range(4)]
    done = 0
    while done < len(values):
        repeats = number(1)
        end = done + 1 + number(widths[number(2)])
        if repeats:
            values[done:end] = number(word)
        else:
            values[done:end] = [number(word) for _ in range(end - done)]
        done = end
    return values


def existing(folder: Path, name: str, source: Path) -> Path:
    """The image itself, or the one that an upload's prefix hides. Raises DataError."""
    for candidate in (name, Path(name).name, Path(name).name.partition('-')[2]):
        if candidate and (folder / candidate).is_file():
            return folder / candidate
    raise DataError(f'{source} names {name}, which {folder} does not hold.')
