"""Segmentation masks of annotation tools: COCO's JSON and Label Studio's JSON export.

Unannotated pixels are unknown (255). Where masks overlap, the later one wins.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import MAX_PIXELS, check_size
from mtscene_ros.datasets.label_files import DataError, read_any_json, read_image, stays_inside
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.types import UNLABELED

Masks = Iterator[tuple[Path, NDArray[np.uint8]]]  # image file, (H, W) ids
MAX_PERCENT = 1e4  # a region may start outside its image, but not at infinity
MAX_NAME_LENGTH = 255  # maximum length of a file name
SHAPES = ('polygonlabels', 'rectanglelabels', 'brushlabels')


def coco_frames(source: Path, images: Path, classes: list[str] | None) -> tuple[list[str], Masks]:
    """Reads classes and masks of a COCO file (polygons or RLE); needs pycocotools. Raises
    DataError."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = read_any_json(source)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        known = sorted(coco.dataset['categories'], key=lambda c: int(c['id']))
        names = classes or [str(c['name']) for c in known]
        ids = {int(c['id']): names.index(c['name']) for c in known if c['name'] in names}
        found = [
            (str(i['file_name']), size_of(i), coco.imgToAnns[i['id']])
            for i in coco.dataset['images']
        ]
        for _, size, rows in found:
            for row in rows:
                check_shape(row.get('segmentation'), size)
    except (AssertionError, *MALFORMED) as error:
        raise DataError(f'{source} is not a COCO annotation ({brief(error)}).') from None

    def masks() -> Masks:
        for name, size, rows in found:
            labels = np.full(size, UNLABELED, np.uint8)
            for row in rows:
                if row['category_id'] in ids:
                    try:
                        mask = coco.annToMask(row)
                    except Exception as error:  # pycocotools raises exactly this class
                        raise DataError(f'{source}, {name}: {brief(error)}.') from None
                    labels[mask > 0] = ids[row['category_id']]
            yield find_image(images, name, source), labels

    return names, masks()


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
        if not np.isfinite(corners).all() or np.abs(corners).max(initial=0) > 4 * max(size):
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


def label_studio_frames(
    source: Path, images: Path, classes: list[str] | None
) -> tuple[list[str], Masks]:
    """Reads classes and masks of a JSON export: polygons, rectangles, brushes. Raises
    DataError."""
    try:
        tasks = read_any_json(source)
        drawn = [(image_of(task), results_of(task)) for task in tasks]
        found = {label for _, results in drawn for r in results for label in labels_of(r)}
    except MALFORMED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f'{source} is not a JSON export of Label Studio ({brief(error)}).'
        ) from None
    names = classes or sorted(found)

    def masks() -> Masks:
        for name, results in drawn:
            path = find_image(images, name, source)
            labels = np.full(read_image(path).shape[:2], UNLABELED, np.uint8)
            for result in results:
                for label in labels_of(result):
                    if label in names:
                        try:
                            mask = drawn_mask(result, labels.shape)
                        except (cv2.error, *MALFORMED) as error:
                            raise DataError(f'{source}, {name}: {brief(error)}.') from None
                        labels[mask] = names.index(label)
            yield path, labels

    return names, masks()


def image_of(task: dict[str, Any]) -> str:
    """Returns the last part of the path or URL that the task gives for its image."""
    values = [v for v in task['data'].values() if isinstance(v, str) and '.' in Path(v).suffix]
    return Path(values[0]).name


def results_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the regions of the newest annotation."""
    annotations = [a for a in task.get('annotations', []) if not a.get('was_cancelled')]
    return list(annotations[-1]['result']) if annotations else []


def labels_of(result: dict[str, Any]) -> list[str]:
    return [str(n) for kind in SHAPES for n in result.get('value', {}).get(kind, [])]


def drawn_mask(result: dict[str, Any], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Draws one region as (H, W); its coordinates are percentages of the image size."""
    value, percent = result['value'], np.array([size[1], size[0]]) / 100
    mask = np.zeros((size[0], size[1]), np.uint8)
    if 'rle' in value:
        shape = int(result['original_height']), int(result['original_width'])
        check_size(shape[1], shape[0])
        drawn = decoded_brush(value['rle']).reshape(*shape, 4)[..., 3]
        mask = np.asarray(cv2.resize(drawn, (size[1], size[0]), interpolation=cv2.INTER_NEAREST))
    elif 'points' in value:
        corners = checked_percents(value['points']) * percent
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], (1,))
    else:
        x, y, width, height = checked_percents([value[k] for k in ('x', 'y', 'width', 'height')])
        low, high = np.array([x, y]) * percent, np.array([x + width, y + height]) * percent
        left, top, right, bottom = np.round([*low, *high]).clip(0).astype(int)
        mask[top:bottom, left:right] = 1
    return np.asarray(mask > 0)


def checked_percents(percents: Any) -> NDArray[np.float64]:
    """Returns coordinates in percent. Raises ValueError if they lie far outside the image."""
    values = np.array(percents, np.float64)
    if not (np.abs(values) < MAX_PERCENT).all():
        raise ValueError('a region extends far outside its image')
    return values


def decoded_brush(encoded: list[int]) -> NDArray[np.uint8]:
    """Decodes Label Studio's run-length encoding of an RGBA image into a flat array.

    The stream holds bits: 32 for the number of values, 5 for their width minus one, and four times
    4 for the possible widths of a length minus one. Blocks follow: 1 bit that tells whether one
    value repeats, 2 bits that select the width of the length minus one, the length, then the value
    or the values.
    """
    bits = ''.join(f'{byte:08b}' for byte in encoded)
    at = 0

    def number(width: int) -> int:
        nonlocal at
        at += width
        return int(bits[at - width : at], 2)

    count = number(32)
    if count > 4 * MAX_PIXELS:
        raise ValueError(f'the brush has {count} values')
    values = np.zeros(count, np.uint8)
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


def find_image(folder: Path, name: str, source: Path) -> Path:
    """Returns the image's path, also where an upload added a prefix to its name. Only the last
    part of a name that leaves the folder counts. Raises DataError."""
    last = Path(name).name
    for candidate in (name if stays_inside(name) else '', last, last.partition('-')[2]):
        if candidate and len(candidate) < MAX_NAME_LENGTH and (folder / candidate).is_file():
            return folder / candidate
    raise DataError(f'{source} refers to {name[:80]!r}, which is not in {folder}.')
