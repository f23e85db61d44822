"""PASCAL-Context with the five tasks of the multi-task literature.

Source: docs/network-specification.md, sections 0 and 6.

    ImageSets/Context/{train,val}.txt  JPEGImages/ID.jpg
    semseg/VOC12/ID.png, else semseg/pascal-context/ID.png
    pascal-context/trainval/ID.mat (LabelMap)  human_parts/ID.mat (anno)
    normals_distill/ID.png  sal_distill/ID.png  pascal-context/labels.txt

Boundaries are the thinned borders of the 459 context labels. The normals were distilled from a
network trained on rooms. They count only on classes that NYU has too and on television sets, as
published; labels.txt ("12: chair", one per line, part of PASCAL-Context) says which ids these are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.io
from numpy.typing import NDArray
from skimage.morphology import thin

from mtscene_ros.datasets.classes import NYUD_40, PASCAL_21
from mtscene_ros.datasets.label_files import (
    DataError,
    folder_of,
    lines_of,
    read_binary,
    read_ids,
    read_normals,
    read_rgb,
    read_text,
    same_size,
    typical_camera,
)
from training.data.by_name import Tables
from training.data.sample import Sample, blank

NORMAL_SIGNS = (1.0, 1.0, -1.0)  # see training/graphs/deploy_published.py
SALIENT_ABOVE = 127.5
PERSON = 15  # class_ind of persons in human_parts
# PASCAL's part names without their side → ids of HUMAN_PARTS_7.
PARTS = {
    **dict.fromkeys(('hair', 'head', 'ear', 'ebrow', 'eye', 'mouth', 'nose'), 1),
    **dict.fromkeys(('neck', 'torso'), 2),
    'uarm': 3,
    **dict.fromkeys(('larm', 'hand'), 4),
    'uleg': 5,
    **dict.fromkeys(('lleg', 'foot'), 6),
}
SIDED = ('ear', 'ebrow', 'eye', 'uarm', 'larm', 'hand', 'uleg', 'lleg', 'foot')


def names(folder: Path, split: str) -> list[str]:
    """Raises DataError."""
    path = folder_of(folder, 'PASCAL-Context') / 'ImageSets/Context' / f'{split}.txt'
    return lines_of(path)


def tables(folder: Path) -> Tables:
    return Tables(PASCAL_21)


def read(folder: Path, name: str) -> Sample:
    """Raises DataError."""
    rgb = read_rgb(folder / 'JPEGImages' / f'{name}.jpg')
    path = folder / 'semseg/VOC12' / f'{name}.png'
    if not path.is_file():
        path = folder / 'semseg/pascal-context' / f'{name}.png'
    context = context_labels(folder / 'pascal-context/trainval' / f'{name}.mat')
    normals = read_normals(folder / 'normals_distill' / f'{name}.png', NORMAL_SIGNS)
    reliable = classes_with_normals(folder / 'pascal-context/labels.txt')
    normals = np.where(np.isin(context, reliable)[..., None], normals, np.float32(0))
    maps: dict[str, NDArray[Any]] = {
        'labels': read_ids(path, len(PASCAL_21)),
        'normals': normals,
        'boundary': borders(context),
        'saliency': read_binary(folder / 'sal_distill' / f'{name}.png', SALIENT_ABOVE),
        'human_parts': human_parts(folder / 'human_parts' / f'{name}.mat', rgb.shape[:2]),
    }
    found: dict[str, Any] = {
        key: same_size(values, rgb, folder / f'{key} of {name}') for key, values in maps.items()
    }
    return replace(blank(rgb, typical_camera(rgb.shape[:2])), **found)


def context_labels(path: Path) -> NDArray[np.int64]:
    """Reads (H, W) ids from 1 to 459. Raises DataError."""
    found = read_mat(path)
    if 'LabelMap' not in found:
        raise DataError(f'{path} has no LabelMap.')
    return np.asarray(found['LabelMap'], np.int64)


def read_mat(path: Path) -> dict[str, Any]:
    """Reads a MATLAB file. Raises DataError."""
    if not path.is_file():
        raise DataError(f'{path} is missing.')
    try:
        found: dict[str, Any] = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)
    except Exception as error:
        # SciPy passes on whatever exception a broken file causes.
        raise DataError(f'{path} is not a MATLAB file that SciPy can read ({error}).') from None
    return found


def borders(context: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Returns borders one pixel wide: where the Laplacian of the labels is not zero, thinned."""
    laplacian = cv2.Laplacian(context.astype(np.float64), cv2.CV_64F)
    return thinned(np.abs(laplacian) > 0)


def thinned(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Thins a mask to lines one pixel wide."""
    return np.asarray(thin(mask), np.uint8)  # type: ignore[no-untyped-call]


@lru_cache
def classes_with_normals(path: Path) -> tuple[int, ...]:
    """Returns the ids of context labels whose distilled normals count. Raises DataError."""
    if not path.is_file():
        raise DataError(
            f'{path} is missing; it is part of PASCAL-Context and says on which classes the '
            'distilled normals count.'
        )
    shared = {c.name.replace(' ', '') for c in NYUD_40} | {'tvmonitor'}
    rows = (line.partition(':') for line in read_text(path).splitlines() if ':' in line)
    found = tuple(
        int(number)
        for number, _, label in rows
        if number.strip().isdecimal() and label.strip() in shared
    )
    if not found:
        raise DataError(f'{path} names no class that NYU has too, such as "12: chair".')
    return found


def human_parts(path: Path, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Reads (H, W) ids of HUMAN_PARTS_7, all unknown if no person's parts are annotated. Raises
    DataError."""
    parts = np.zeros(size, np.uint8)
    try:
        for person in as_list(getattr(read_mat(path).get('anno'), 'objects', None)):
            if int(person.class_ind) == PERSON:
                for part in as_list(person.parts):
                    mask = np.asarray(part.mask, bool)
                    parts[mask] = part_id(str(part.part_name))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path} is not an annotation of parts ({error}).') from None
    return parts if parts.any() else np.full(size, 255, np.uint8)


def as_list(found: Any) -> list[Any]:
    """Returns MATLAB's squeezed struct arrays as a list: of none, one or many structs."""
    return [] if found is None else list(np.atleast_1d(np.asarray(found, object)).ravel())


def part_id(name: str) -> int:
    """Maps a part name to its id, for example 'luarm' to 3. Raises ValueError if it is unknown."""
    bare = name[1:] if name[1:] in SIDED and name[0] in 'lr' else name
    if bare not in PARTS:
        raise ValueError(f'unknown part {name!r}')
    return PARTS[bare]
