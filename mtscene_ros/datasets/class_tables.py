"""The class tables of a manifest: names, ids in its label files, what stands for unknown."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.classes import (
    CAMVID,
    CITYSCAPES_19,
    DRIVE_BOXES,
    NYUD_40,
    PASCAL_21,
)
from mtscene_ros.datasets.label_files import DataError, checked_ids, read_indices
from mtscene_ros.terminal import did_you_mean
from mtscene_ros.types import UNLABELED, SemanticClass

UNKNOWN_NAME = 'unknown'  # in semantic_ids and class_map
MAX_CLASSES = 254
MAX_ID = 65535
Classes = tuple[SemanticClass, ...]

TABLES: dict[str, Classes] = {
    'cityscapes_19': CITYSCAPES_19,
    'nyud_40': NYUD_40,
    'pascal_21': PASCAL_21,
    'camvid_11': CAMVID,
    'drive_boxes': DRIVE_BOXES,
}


@dataclass(frozen=True, slots=True, eq=False)
class IdMap:
    """How the ids in label files become classes.

    ids: id in the file → id of the class, UNLABELED unknown; others_stay: whether ids that are not
    listed are ids of classes already; background: id of the class of unknown pixels, None to keep
    them unknown.
    """

    ids: Mapping[int, int]
    others_stay: bool
    background: int | None

    def read(self, path: Path, classes: int) -> NDArray[np.uint8]:
        """Reads (H, W) ids of classes. Raises DataError for ids that nobody has named."""
        stored = read_indices(path)
        if not self.ids:
            found = checked_ids(stored, classes, path)
        else:
            found = self._mapped(stored, classes, path)
        if self.background is not None:
            found = np.where(found == UNLABELED, np.uint8(self.background), found)
        return found

    def _mapped(self, stored: NDArray[Any], classes: int, path: Path) -> NDArray[np.uint8]:
        table = np.arange(MAX_ID + 1) if self.others_stay else np.full(MAX_ID + 1, MAX_ID)
        table[UNLABELED] = UNLABELED
        for number, to in self.ids.items():
            table[number] = to
        if stored.ndim != 2 or stored.dtype.kind not in 'iu' or stored.min(initial=0) < 0:
            return checked_ids(stored, classes, path)
        inside = np.minimum(stored.astype(np.int64), MAX_ID)
        if not self.others_stay and (table[inside] == MAX_ID).any():
            strange = sorted({int(k) for k in np.unique(inside) if table[k] == MAX_ID})
            raise DataError(
                f'{path} has the id {strange[0]}, which semantic_ids does not list; add '
                f'"{strange[0]}: NAME" or "{strange[0]}: {UNKNOWN_NAME}".'
            )
        return checked_ids(table[inside], classes, path)


AS_STORED = IdMap({}, True, None)


def coloured(names: list[str]) -> Classes:
    """Returns a class table of the given names, with distinct colours."""
    rainbow = [c.color_rgb for c in (*CITYSCAPES_19, *NYUD_40, *PASCAL_21[1:])]
    return tuple(SemanticClass(k, n, rainbow[k % len(rainbow)]) for k, n in enumerate(names))


def class_table(found: Any, path: Path) -> Classes:
    """Returns a named table, a table of own names, or none. Raises DataError."""
    if found is None or found == '':
        return ()
    if isinstance(found, str) and found in TABLES:
        return TABLES[found]
    if not isinstance(found, list) or not found:
        raise DataError(
            f'{path}: {reprlib.repr(found)} is not a list of classes; give names or one of '
            f'{", ".join(TABLES)}.'
        )
    if len(found) > MAX_CLASSES:
        raise DataError(f'{path} lists {len(found)} classes; at most {MAX_CLASSES} have an id.')
    for name in found:
        if name is None:
            raise DataError(f'{path}: a class has no name; where it is called null, quote it.')
        if not isinstance(name, str):
            raise DataError(f'{path}: {reprlib.repr(found)} is not a list of classes.')
    doubled = [name for k, name in enumerate(found) if name in found[:k]]
    if doubled:
        raise DataError(f'{path} lists the class {reprlib.repr(doubled[0])} twice; remove one.')
    return coloured(found)


def semantic_table(found: Mapping[str, Any], path: Path) -> tuple[Classes, IdMap]:
    """Returns the classes of `semantic` and how their ids are stored, from the manifest's keys
    semantic, semantic_ids and background. Raises DataError."""
    listed = found.get('semantic_ids') or {}
    if not isinstance(listed, dict):
        raise DataError(f'{path}: semantic_ids is a {type(listed).__name__}, not "ID: NAME".')
    pairs = {number_of(key, path): name_of(value, path) for key, value in listed.items()}
    classes = class_table(found.get('semantic'), path)
    named = [name for _, name in sorted(pairs.items()) if name != UNKNOWN_NAME]
    if not classes and named:
        classes = coloured(list(dict.fromkeys(named)))
    background = found.get('background')
    if background is not None:
        name_of(background, path, 'background')
        if background not in [c.name for c in classes]:
            classes = coloured([*(c.name for c in classes), background])
    ids = {c.name: c.id for c in classes}
    for name in named:
        if name not in ids:
            raise DataError(f'{path}: semantic_ids names {one_of(name, list(ids), "semantic")}')
    return classes, IdMap(
        {number: ids.get(name, UNLABELED) for number, name in pairs.items()},
        not named,
        None if background is None else ids[background],
    )


def lonely_class(task: str, classes: Classes) -> list[str]:
    """Returns a sentence about a table of one class, which nothing can be told apart from."""
    if len(classes) != 1:
        return []
    return [
        f'{task} has one class, {classes[0].name}, and no background: every pixel will be '
        f'{classes[0].name}; add "background: NAME" to the manifest (--background NAME where '
        'annotations are converted) for what nobody drew.'
    ]


def number_of(key: Any, path: Path) -> int:
    if not isinstance(key, str) or not key.isdecimal() or int(key) > MAX_ID:
        raise DataError(
            f'{path}: {reprlib.repr(key)} in semantic_ids is not an id from 0 to {MAX_ID}.'
        )
    return int(key)


def name_of(value: Any, path: Path, key: str = 'semantic_ids') -> str:
    if not isinstance(value, str) or not value:
        raise DataError(f'{path}: {reprlib.repr(value)} in {key} is not a class name.')
    return value


def one_of(name: str, names: list[str], where: str) -> str:
    """Returns the end of an error about a name that is not among `names`."""
    fix = did_you_mean(name, names, f'its classes are {", ".join(names[:20])}.')
    return f'{reprlib.repr(name)}, which {where} does not have; {fix}'
