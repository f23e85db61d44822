"""A model's labels as shapes that a person corrects: COCO, Label Studio and CVAT.

Every connected region becomes its outer outline, large ones first, so that what lies in a hole
covers it again. Coordinates have the edges of the image at 0 and at its size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.class_tables import Classes
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.types import UNLABELED

SMALLEST_PX = 64  # area of a region that is worth an outline
SIMPLIFIED_PX = 1.0  # distance of the outline from the border of the region (Douglas, Peucker)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """label: name of a class; corners_px: (N, 2) x and y; area_px: of the region."""

    label: str
    corners_px: NDArray[np.float64]
    area_px: float


@dataclass(frozen=True, slots=True, eq=False)
class OutlinedImage:
    """name: of the file, below the folder of the annotations."""

    name: str
    width_px: int
    height_px: int
    outlines: Sequence[Outline]


def outlines_of(labels: NDArray[np.uint8], classes: Classes) -> list[Outline]:
    """Returns the outlines of (H, W) labels, the largest region first."""
    names, found = {c.id: c.name for c in classes}, []
    for k in np.unique(labels[labels != UNLABELED]).tolist():
        # Through the centres of quarter pixels, a border lies only a quarter pixel too far inside.
        mask = np.repeat(np.repeat(labels == k, 2, 0), 2, 1).astype(np.uint8)
        borders, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for border in borders:
            corners = (cv2.approxPolyDP(border, 2 * SIMPLIFIED_PX, True)[:, 0] + 0.5) / 2
            area_px = float(cv2.contourArea(border)) / 4
            if len(corners) >= 3 and area_px >= SMALLEST_PX:
                found.append(Outline(names[k], corners, area_px))
    return sorted(found, key=lambda outline: -outline.area_px)


def write_coco(images: Sequence[OutlinedImage], classes: Classes, path: Path) -> None:
    ids = {c.name: c.id + 1 for c in classes}  # many tools keep 0 for "nothing"
    rows: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        size = {'width': image.width_px, 'height': image.height_px}
        rows.append({'id': number, 'file_name': image.name, **size})
        for outline in image.outlines:
            (left, top), (right, bottom) = outline.corners_px.min(0), outline.corners_px.max(0)
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': ids[outline.label],
                    'segmentation': [outline.corners_px.ravel().tolist()],
                    'bbox': [left, top, right - left, bottom - top],
                    'area': outline.area_px,
                    'iscrowd': 0,
                }
            )
    categories = [{'id': ids[c.name], 'name': c.name} for c in classes]
    found = {'images': rows, 'annotations': annotations, 'categories': categories}
    write_text(path, json.dumps(found) + '\n')


def write_label_studio(
    images: Sequence[OutlinedImage], classes: Classes, path: Path, model: str
) -> None:
    """Writes tasks with predictions, and the labelling interface beside them as .xml."""
    tasks = [
        {
            'data': {'image': image.name},
            'predictions': [{'model_version': model, 'result': regions_of(image)}],
        }
        for image in images
    ]
    write_text(path, json.dumps(tasks) + '\n')
    view = ElementTree.Element('View')
    ElementTree.SubElement(view, 'Image', name='image', value='$image')
    labels = ElementTree.SubElement(view, 'PolygonLabels', name='label', toName='image')
    for c in classes:
        ElementTree.SubElement(labels, 'Label', value=c.name, background=hex_of(c.color_rgb))
    write_text(path.with_suffix('.xml'), ElementTree.tostring(view, 'unicode') + '\n')


def regions_of(image: OutlinedImage) -> list[dict[str, Any]]:
    size_px = np.array([image.width_px, image.height_px])
    return [
        {
            'id': f'{k}',
            'type': 'polygonlabels',
            'from_name': 'label',
            'to_name': 'image',
            'original_width': image.width_px,
            'original_height': image.height_px,
            'value': {
                'points': (100 * outline.corners_px / size_px).tolist(),
                'polygonlabels': [outline.label],
            },
        }
        for k, outline in enumerate(image.outlines)
    ]


def write_cvat(images: Sequence[OutlinedImage], classes: Classes, path: Path) -> None:
    root = ElementTree.Element('annotations')
    ElementTree.SubElement(root, 'version').text = '1.1'
    labels = ElementTree.SubElement(
        ElementTree.SubElement(ElementTree.SubElement(root, 'meta'), 'task'), 'labels'
    )
    for c in classes:
        label = ElementTree.SubElement(labels, 'label')
        ElementTree.SubElement(label, 'name').text = c.name
        ElementTree.SubElement(label, 'color').text = hex_of(c.color_rgb)
    for number, image in enumerate(images):
        size = {'width': str(image.width_px), 'height': str(image.height_px)}
        of = ElementTree.SubElement(root, 'image', {'id': str(number), 'name': image.name, **size})
        for order, outline in enumerate(image.outlines):
            points = ';'.join(f'{u:g},{v:g}' for u, v in outline.corners_px.tolist())
            shape = {'label': outline.label, 'points': points, 'z_order': str(order)}
            ElementTree.SubElement(of, 'polygon', {'occluded': '0', 'source': 'auto', **shape})
    write_text(path, ElementTree.tostring(root, 'unicode', xml_declaration=False) + '\n')


def hex_of(color_rgb: tuple[int, int, int]) -> str:
    return '#' + ''.join(f'{value:02x}' for value in color_rgb)
