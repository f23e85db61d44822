"""CVAT's XML "CVAT for images 1.1": polygons, boxes, ellipses and masks, in pixels.

Shapes of a higher z_order cover others; boxes and ellipses turn clockwise about their centres.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.spec import MALFORMED, brief
from training.data.drawing import (
    DrawOptions,
    Mask,
    Size,
    axes,
    box_mask,
    ellipse_corners,
    polygon_mask,
    turned_box,
)
from training.data.manifest_writer import Account
from training.data.shapes import (
    AnnotatedImage,
    Found,
    Shape,
    checked_size,
    drawn_frames,
    placed,
    undrawable,
)
from training.data.xml_files import Element, read_xml


def cvat_frames(source: Path, options: DrawOptions, account: Account) -> Found:
    """Raises DataError."""
    root = read_xml(source)
    if root.find('track') is not None:
        raise DataError(f'{source} holds tracks of a video; export "CVAT for images 1.1".')
    try:
        names = [str(e.findtext('name')) for e in root.iterfind('meta//labels/label')]
        images = [read_image_of(e) for e in root.iterfind('image')]
    except MALFORMED as error:
        raise DataError(f'{source} is not an export of CVAT ({brief(error)}).') from None
    if not images:
        raise DataError(f'{source} lists no images; export "CVAT for images 1.1".')
    return drawn_frames(source, images, names or None, options, account)


def read_image_of(element: Element) -> AnnotatedImage:
    shapes = sorted(element, key=lambda e: int(e.get('z_order') or 0))
    return AnnotatedImage(
        element.attrib['name'],
        checked_size(element.get('width'), element.get('height')),
        [shape_of(shape) for shape in shapes],
        str(element.get('subset') or '').lower() if known_split(element) else '',
    )


def known_split(element: Element) -> bool:
    return str(element.get('subset') or '').lower() in ('train', 'val', 'validation', 'test')


def shape_of(e: Element) -> Shape:
    label, degrees = str(e.get('label')), float(e.get('rotation') or 0)
    if e.tag == 'polygon':
        corners = np.array([p.split(',') for p in e.attrib['points'].split(';')], np.float64)
        return Shape(label, lambda size: polygon_mask(corners, size))
    if e.tag == 'box':
        edges = [float(e.attrib[k]) for k in ('xtl', 'ytl', 'xbr', 'ybr')]
        return Shape(label, lambda size: box(edges, degrees, size))
    if e.tag == 'ellipse':
        center = np.array([float(e.attrib['cx']), float(e.attrib['cy'])])
        radii = np.array([float(e.attrib['rx']), float(e.attrib['ry'])])
        return Shape(
            label, lambda size: polygon_mask(ellipse_corners(center, radii, degrees), size)
        )
    if e.tag == 'mask':
        return Shape(label, lambda size: run_lengths(e, size))
    return undrawable(e.tag, label)


def box(edges: list[float], degrees: float, size: Size) -> Mask:
    left, top, right, bottom = edges
    if degrees % 360 == 0:
        return box_mask(left, top, right, bottom, size)
    extent = np.array([right - left, bottom - top])
    across, down = axes(degrees)
    center = np.array([left + right, top + bottom]) / 2
    corner = center - extent[0] / 2 * across - extent[1] / 2 * down
    return polygon_mask(turned_box(corner, extent, degrees), size)


def run_lengths(e: Element, size: Size) -> Mask:
    """Lengths of runs outside and inside in turn, row by row within the box. Raises ValueError."""
    width, height = int(e.attrib['width']), int(e.attrib['height'])
    checked_size(width, height)
    counts = np.array([int(n) for n in e.attrib['rle'].split(',')])
    if counts.min() < 0 or counts.sum() > width * height:
        raise ValueError('the run lengths of a mask exceed its box')
    values = np.zeros(width * height, bool)
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    values[: len(inside)] = inside
    mask = values.reshape(height, width)
    return placed(mask, int(float(e.attrib['left'])), int(float(e.attrib['top'])), size)
