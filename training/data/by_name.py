"""Classes travel by name: the ids of a data set become those of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.class_match import NO_MAP, ClassMap, label_match
from mtscene_ros.datasets.class_tables import Classes
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.terminal import listed
from training.data.sample import Sample


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What ids mean, in a data set or to a network.

    semantic, boxes: () where there are none; maps: own tasks by name, () for numbers; class_map:
    name in the data set → names of the network.
    """

    semantic: Classes = ()
    boxes: Classes = ()
    maps: Mapping[str, Classes] = field(default_factory=dict)
    class_map: ClassMap = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class IdsByName:
    """Look-up tables from the ids of a data set to those of a network; None: the same ids.

    semantic, maps: (256,) uint8; boxes: (N,) int64, -1 for a class that the network has not.
    """

    semantic: NDArray[np.uint8] | None = None
    boxes: NDArray[np.int64] | None = None
    maps: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    def applied(self, sample: Sample) -> Sample:
        changes: dict[str, Any] = {}
        if self.semantic is not None:
            changes['labels'] = self.semantic[sample.labels]
        if self.maps:
            named = {n: self.maps[n][v] for n, v in sample.maps.items() if n in self.maps}
            changes['maps'] = {**sample.maps, **named}
        if self.boxes is not None:
            changes |= renamed_boxes(sample, self.boxes)
        return replace(sample, **changes) if changes else sample


SAME_IDS = IdsByName()


def renamed_boxes(sample: Sample, lookup: NDArray[np.int64]) -> dict[str, Any]:
    """Boxes of classes that class_map makes unknown go."""
    class_ids = lookup[sample.class_ids]
    kept = class_ids >= 0
    found: dict[str, Any] = {'class_ids': class_ids[kept]}
    fields = ('centers_m', 'sizes_m', 'yaw_rad', 'visible', 'truncated')
    for name in (*fields, 'quaternions_xyzw', 'bbox_px'):
        values = getattr(sample, name)
        found[name] = None if values is None else values[kept]
    return found


def ids_by_name(source: Tables, network: Tables, where: Path, merges: bool = False) -> IdsByName:
    """merges: whether class_map may give one class several of the network, which scores take for
    one (see merged_ids). Raises DataError for classes that the network does not have."""
    maps = {
        name: lookup_of(f'the map {name}', classes, network.maps[name], where, NO_MAP)
        for name, classes in source.maps.items()
        if classes and network.maps.get(name)
    }
    semantic, boxes = None, None
    if source.semantic and network.semantic:
        known = source.class_map
        semantic = lookup_of('semantic', source.semantic, network.semantic, where, known, merges)
    if source.boxes and network.boxes:
        known = source.class_map
        found = lookup_of('boxes3d', source.boxes, network.boxes, where, known, merges)
        boxes = found[: len(source.boxes)].astype(np.int64)
        boxes[boxes == 255] = -1
    return IdsByName(
        None if semantic is None or is_same(semantic, source.semantic) else semantic,
        None if boxes is None or (boxes == np.arange(len(boxes))).all() else boxes,
        {name: table for name, table in maps.items() if not is_same(table, source.maps[name])},
    )


def scored_ids(source: Tables, network: Tables) -> dict[str, tuple[int, ...]]:
    """Returns task → ids of the network's classes that the labels of a data set can have."""
    pairs = {'semantic': (source.semantic, network.semantic)} | {
        name: (classes, network.maps.get(name, ())) for name, classes in source.maps.items()
    }
    return {
        task: label_match(true, known, source.class_map).scored
        for task, (true, known) in pairs.items()
        if true and known
    }


def merged_ids(source: Tables, network: Tables) -> dict[str, NDArray[np.uint8]]:
    """Returns task → (256,) ids of the network → the id that stands for all classes which one
    class of the data set comprises; only tasks where any do."""
    pairs = {
        'semantic': (source.semantic, network.semantic),
        'boxes3d': (source.boxes, network.boxes),
    }
    found = {
        task: label_match(true, known, source.class_map).merged
        for task, (true, known) in pairs.items()
        if true and known
    }
    return {task: ids for task, ids in found.items() if (ids != np.arange(256)).any()}


def lookup_of(
    task: str,
    source: Classes,
    network: Classes,
    where: Path,
    class_map: ClassMap,
    merges: bool = False,
) -> NDArray[np.uint8]:
    """Returns (256,) ids. Raises DataError."""
    match = label_match(source, network, class_map)
    if match.lacking:
        raise DataError(
            f'{where} labels {listed([repr(n) for n in match.lacking])} in {task}, which the '
            f'network does not have (it has {listed([c.name for c in network])}): teach it with '
            '`python -m training.adapt`, or add "class_map: {NAME: NAME or unknown}" to the '
            'manifest.'
        )
    names = {c.name for c in source}
    several = [n for n, to in class_map.items() if n in names and is_open(to, network)]
    if several and not merges:
        raise DataError(
            f'{where}: class_map gives {several[0]!r} several classes of the network, and labels '
            'do not say which; training needs one.'
        )
    return match.lookup


def is_open(to: tuple[str, ...], network: Classes) -> bool:
    return sum(c.name in to for c in network) > 1


def is_same(lookup: NDArray[np.uint8], source: Classes) -> bool:
    return all(lookup[c.id] == c.id for c in source)
