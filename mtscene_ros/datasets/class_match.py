"""Matches the classes of labels with those of a model: by name, whatever their order and ids."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.class_tables import UNKNOWN_NAME, Classes, one_of
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.types import UNLABELED

ClassMap = Mapping[str, tuple[str, ...]]
NO_MAP: ClassMap = {}


@dataclass(frozen=True, slots=True, eq=False)
class LabelMatch:
    """What the ids of labels mean to a model.

    lookup: (256,) ids of the labels → ids of the model, UNLABELED for classes that it lacks;
    merged: (256,) ids of the model → the id that stands for all classes which one class of the
    labels comprises; scored: the ids of the model that the labels can have; lacking: names that
    the model does not have.
    """

    lookup: NDArray[np.uint8]
    merged: NDArray[np.uint8]
    scored: tuple[int, ...]
    lacking: tuple[str, ...]


def label_match(true: Classes, model: Classes, class_map: ClassMap = NO_MAP) -> LabelMatch:
    """class_map: name of the labels → names of the model; others match by their own name."""
    lookup = np.full(256, UNLABELED, np.uint8)
    merged = np.arange(256).astype(np.uint8)
    ids = {c.name: c.id for c in model}
    lacking, scored = [], []
    for c in true:
        if c.id >= UNLABELED:
            continue
        wanted = class_map.get(c.name, (c.name,))
        found = [ids[name] for name in wanted if name in ids]
        if found:
            lookup[c.id] = found[0]
            merged[found] = found[0]
            scored.append(found[0])
        elif wanted != (UNKNOWN_NAME,):
            lacking.append(c.name)
    return LabelMatch(lookup, merged, tuple(dict.fromkeys(scored)), tuple(lacking))


def class_map_from(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Returns the map of (name of the labels, name of the model) pairs."""
    found: dict[str, tuple[str, ...]] = {}
    for true, model in pairs:
        found[true] = (*found.get(true, ()), model)
    return found


def class_map_of(found: Any, names: list[str], path: Path) -> ClassMap:
    """Reads a manifest's class_map. Raises DataError."""
    if not isinstance(found or {}, dict):
        raise DataError(f'{path}: class_map is a {type(found).__name__}, not "NAME: NAME".')
    pairs: dict[str, tuple[str, ...]] = {}
    for name, value in (found or {}).items():
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(n, str) and n for n in listed):
            raise DataError(
                f'{path}: {reprlib.repr(value)} in class_map is no class name of a model, list of '
                f'them, or {UNKNOWN_NAME}.'
            )
        if name not in names:
            where = 'the manifest'
            raise DataError(f'{path}: class_map maps {one_of(str(name), names, where)}')
        pairs[name] = tuple(listed)
    return pairs
