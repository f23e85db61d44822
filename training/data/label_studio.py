"""Regions of Label Studio's JSON export: polygons, rectangles, ellipses, brushes.

Where regions overlap, the later one wins. Coordinates are percentages of the image size; turns are
clockwise, of a rectangle about its top left corner, of an ellipse about its centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import MAX_PIXELS, check_size
from mtscene_ros.datasets.label_files import DataError, read_any_json
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.types import UNLABELED
from training.data.drawing import (
    DrawOptions,
    Mask,
    Size,
    box_mask,
    ellipse_corners,
    polygon_mask,
    turned_box,
)
from training.data.manifest_writer import Account, LabelledFrame
from training.data.shapes import found_frames

MAX_PERCENT = 1e4  # a region may start outside its image, but not at infinity
Region = dict[str, Any]
NAMES = {
    'keypointlabels': 'key point{s}', 'keypoint': 'key point{s}', 'vectorlabels': 'polyline{s}',
    'choices': 'choice{s} of the whole image', 'textarea': 'text{s}', 'relation': 'relation{s}',
    'rating': 'rating{s}', 'taxonomy': 'class{es} of a taxonomy',
}  # fmt: skip


def label_studio_frames(
    source: Path, options: DrawOptions, account: Account
) -> tuple[list[str], Iterator[LabelledFrame]]:
    """Reads classes and masks of a JSON export. Raises DataError."""
    try:
        tasks = read_any_json(source)
        drawn = [(image_of(task), regions_of(task, options, account)) for task in tasks]
        found = {label for _, regions in drawn for r in regions for label in labels_of(r)}
        size_of_all = [annotated_size(regions) for _, regions in drawn]
    except MALFORMED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f'{source} is not a JSON export of Label Studio ({brief(error)}); export as JSON, not '
            'JSON-MIN or CSV.'
        ) from None
    names = options.classes or sorted(found)
    images = [
        (name, size, regions) for (name, regions), size in zip(drawn, size_of_all, strict=True)
    ]
    return names, frames_of(source, images, names, options, account)


def frames_of(
    source: Path,
    drawn: list[tuple[str, Size | None, list[Region]]],
    names: list[str],
    options: DrawOptions,
    account: Account,
) -> Iterator[LabelledFrame]:
    def paint(named: tuple[str, list[Region]], size: Size) -> NDArray[np.uint8]:
        name, regions = named
        labels = np.full(size, UNLABELED, np.uint8)
        for region in regions:
            draw(region, labels, names, f'{source}, {name}', account)
        return labels

    images = [(name, size, (name, regions)) for name, size, regions in drawn]
    return found_frames(source, images, paint, options, account)


def draw(
    region: Region, labels: NDArray[np.uint8], names: list[str], where: str, account: Account
) -> None:
    """Draws one region into (H, W), or counts why not. Raises DataError."""
    reason = why_not(region, names)
    if reason:
        account.left_out[reason] += 1
        return
    try:
        mask = drawn_mask(region, (labels.shape[0], labels.shape[1]))
    except (cv2.error, *MALFORMED) as error:
        raise DataError(f'{where}: {brief(error)}.') from None
    for label in labels_of(region):
        if label in names:
            labels[mask] = names.index(label)


def why_not(region: Region, names: list[str]) -> str:
    """Returns why a region cannot be drawn, '' if it can."""
    value, kind = region['value'], str(region.get('type', ''))
    if not is_drawn(value):
        kinds = [key for key in value if key in NAMES]
        return NAMES.get(kind) or (
            NAMES[kinds[0]] if kinds else 'region{s} of kind ' + (kind or 'none')
        )
    if not labels_of(region):
        return 'region{s} without a label'
    if int(region.get('image_rotation') or 0) % 360:
        return 'region{s} on an image that was turned in Label Studio'
    return '' if set(labels_of(region)) & set(names) else 'region{s} of another class'


def is_drawn(value: dict[str, Any]) -> bool:
    return (
        'rle' in value
        or 'radiusX' in value
        or ('points' in value and 'vertices' not in value and value.get('closed', True))
        or {'x', 'y', 'width', 'height'} <= value.keys()
    ) and 'keypointlabels' not in value


def image_of(task: dict[str, Any]) -> str:
    """Returns the path or URL that the task gives for its image."""
    values = [v for v in task['data'].values() if isinstance(v, str)]
    named = [v for v in values if Path(v.partition('?')[0]).suffix or '?d=' in v]
    return named[0]


def regions_of(task: dict[str, Any], options: DrawOptions, account: Account) -> list[Region]:
    """Returns the regions of the newest annotation. Coordinates and labels of one region may come
    in two results of the same id."""
    annotations = task.get('annotations', task.get('completions')) or []
    kept = [a for a in annotations if not a.get('was_cancelled')]
    predictions = task.get('predictions') or []
    results = list(kept[-1]['result']) if kept else []
    if not kept and predictions and isinstance(predictions[0], dict):
        count = len(predictions[-1].get('result') or [])
        if options.predictions:
            results = list(predictions[-1]['result'])
        elif count:
            account.regions += count
            account.left_out['region{s} that only a model has predicted (see --predictions)'] += (
                count
            )
    if len(kept) > 1:
        account.remark('Where an image has several annotations, the last one counts.')
    regions = joined(results)
    account.regions += len(regions)
    return regions


def joined(results: list[Region]) -> list[Region]:
    """Drops the bare shape of a region that comes again with its labels."""
    labelled = {r.get('id') for r in results if labels_of(r) and is_drawn(r['value'])}
    found = []
    for result in results:
        result.setdefault('value', {})
        is_again = not labels_of(result) and result.get('id') in labelled
        if not (is_again and result.get('id') is not None):
            found.append(result)
    return found


def labels_of(region: Region) -> list[str]:
    value = region.get('value', {})
    return [
        str(name)
        for key, names in value.items()
        if key.endswith('labels') and isinstance(names, list)
        for name in names
    ]


def annotated_size(regions: list[Region]) -> Size | None:
    """Returns height and width. Raises ImageError if they are implausible."""
    for region in regions:
        if region.get('original_width') and region.get('original_height'):
            size = int(region['original_height']), int(region['original_width'])
            check_size(size[1], size[0])
            return size
    return None


def drawn_mask(region: Region, size: Size) -> Mask:
    """Draws one region as (H, W)."""
    value, percent = region['value'], np.array([size[1], size[0]]) / 100
    if 'rle' in value:
        shape = int(region['original_height']), int(region['original_width'])
        check_size(shape[1], shape[0])
        drawn = decoded_brush(value['rle']).reshape(*shape, 4)[..., 3]
        resized = cv2.resize(drawn, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
        return np.asarray(resized > 0)
    degrees = float(value.get('rotation') or 0)
    if 'points' in value:
        corners = checked_percents(value['points']) * percent
    elif 'radiusX' in value:
        center = checked_percents([value['x'], value['y']]) * percent
        radii = checked_percents([value['radiusX'], value['radiusY']]) * percent
        corners = ellipse_corners(center, radii, degrees)
    else:
        corner = checked_percents([value['x'], value['y']]) * percent
        extent = checked_percents([value['width'], value['height']]) * percent
        corners = turned_box(corner, extent, degrees)
        if degrees % 360 == 0:
            (left, top), (right, bottom) = corners[0], corners[2]
            return box_mask(left, top, right, bottom, size)
    return polygon_mask(corners, size)


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
