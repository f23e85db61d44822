"""YOLO: one text file per image, rows of a class and numbers relative to the image size.

Five numbers are a box (class, centre, size), more are a polygon (class, x, y, x, y, ...). SOURCE
is the data set's YAML file (path, train, val, test, names) or a folder of text files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.label_files import DataError, read_text
from mtscene_ros.datasets.manifest import read_yaml
from training.data.drawing import DrawOptions, Mask, Size, box_mask, polygon_mask
from training.data.image_search import SUFFIXES
from training.data.manifest_writer import Account
from training.data.shapes import AnnotatedImage, Found, Shape, drawn_frames

SPLITS = ('train', 'val', 'test')


def yolo_frames(source: Path, options: DrawOptions, account: Account) -> Found:
    """Raises DataError."""
    names, splits = options.classes, {'': [options.images]}
    labels = source
    if source.is_file():
        found = read_yaml(source)
        names = names or names_of(found, source)
        splits = {
            s: folders_of(found[s]) for s in SPLITS if isinstance(found, dict) and found.get(s)
        }
        labels = options.images
    if not names:
        raise DataError(f'{source} does not name the classes; give --classes in their order.')
    images, bare = [], 0
    for split, folders in splits.items():
        for path in images_in(options.images, folders):
            rows = rows_of(path, options.images, labels)
            bare += rows is None
            shapes = [shape_of(row, names, where) for row, where in rows or []]
            name = path.relative_to(options.images).as_posix()
            images.append(AnnotatedImage(name, None, shapes, split))
    if bare:
        account.remark(
            f'{bare} of {len(images)} images have no text file: nothing is drawn there.'
        )
    return drawn_frames(source, images, names, options, account)


def names_of(found: Any, source: Path) -> list[str]:
    """Returns `names`, a list or ID: NAME. Raises DataError."""
    names = found.get('names') if isinstance(found, dict) else None
    if isinstance(names, Mapping):
        try:
            names = [names[key] for key in sorted(names, key=int)]
        except (TypeError, ValueError):
            names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f'{source} has no list of names; it should be the YAML of a YOLO data set.'
        )
    return list(names)


def folders_of(found: Any) -> list[Path]:
    """Returns the folders of a split, as the YAML gives them."""
    return [Path(str(f)) for f in (found if isinstance(found, list) else [found])]


def images_in(root: Path, folders: list[Path]) -> list[Path]:
    """Returns the images of a split; root: --images, where the YAML's folders are, or below."""
    found: list[Path] = []
    for folder in folders:
        parts = [p for p in folder.parts if p not in ('..', '.', '/')]
        ends = [root.joinpath(*parts[k:]) for k in range(len(parts) + 1)]
        here = folder if folder == root else next((e for e in ends if e.is_dir()), root)
        found += [p for p in sorted(here.rglob('*')) if p.suffix.lower() in SUFFIXES]
    return found


def rows_of(image: Path, root: Path, labels: Path) -> list[tuple[list[str], str]] | None:
    """Returns the rows of an image's text file and where they are; None without a file."""
    inner = image.relative_to(root).with_suffix('.txt')
    beside = Path(*('labels' if part == 'images' else part for part in inner.parts))
    for path in (labels / beside, labels / inner, labels / inner.name, image.with_suffix('.txt'),
                 root.parent / 'labels' / inner):  # fmt: skip
        if path.is_file():
            lines = read_text(path).splitlines()
            return [
                (line.split(), f'{path}, line {k}')
                for k, line in enumerate(lines, 1)
                if line.strip()
            ]
    return None


def shape_of(row: list[str], names: list[str], where: str) -> Shape:
    """Raises DataError."""
    try:
        number, values = int(float(row[0])), np.array(row[1:], np.float64)
    except ValueError as error:
        raise DataError(f'{where} is not a row of YOLO ({error}).') from None
    if not 0 <= number < len(names):
        raise DataError(
            f'{where} has the class {number}; the names go from 0 to {len(names) - 1}.'
        )
    label = names[number]
    if len(values) == 4:
        return Shape(label, lambda size: box(values, size), is_box=True)
    if len(values) >= 6 and len(values) % 2 == 0:
        return Shape(label, lambda size: polygon(values, size))
    return Shape(label, reason='row{s} with key points')


def box(values: NDArray[np.float64], size: Size) -> Mask:
    scale = np.array([size[1], size[0]])
    (left, top), (right, bottom) = (
        (values[:2] + sign * values[2:] / 2) * scale for sign in (-1, 1)
    )
    return box_mask(left, top, right, bottom, size)


def polygon(values: NDArray[np.float64], size: Size) -> Mask:
    return polygon_mask(values.reshape(-1, 2) * np.array([size[1], size[0]]), size)
