"""Reads the truth of a recording from files.

The files are those of a manifest (mtscene_ros/datasets/manifest.py) whose frames are named by
the stamps of the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import read_boxes
from mtscene_ros.datasets.class_match import class_map_from
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import inside, labels_of, load
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.truth.truth_messages import (
    Source,
    TruthError,
    Warn,
    match_by_name,
    true_depth,
)
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.types import Boxes3D, SemanticClass

KIND = 'files'


class TruthFiles:
    """Reads each file when the image with its stamp is scored. Raises DataError."""

    def __init__(self, path: Path, spec: ModelSpec, options: EvaluateOptions, warn: Warn) -> None:
        self._path, self._manifest, self._warn = path, load(path), warn
        self._frames = {stamp_of(frame, path): frame for frame in self._manifest.frames}
        self._tasks = [t for t in spec.tasks if any(has(f, t) for f in self._frames.values())]
        tables = {'semantic': self._manifest.semantic, **self._manifest.maps}
        self._class_map = {**self._manifest.class_map, **class_map_from(options.classes)}
        self._matches = {
            task: match_by_name(
                tables[task], classes_from_options(spec.tasks[task]), path, warn, self._class_map
            )
            for task in self._tasks
            if tables.get(task) and 'classes' in spec.tasks[task]
        }

    @property
    def sources(self) -> tuple[Source, ...]:
        """Returns one source per task, without a topic."""
        return tuple(Source(task, '', KIND, self._matches.get(task)) for task in self._tasks)

    def truth(
        self, source: Source, stamp_ns: int, max_m: float, ids: Mapping[str, int]
    ) -> NDArray[Any] | Boxes3D | None:
        """Returns the truth of a task as truth_messages.values_of and boxes_of do.

        None where there is none. Raises TruthError.
        """
        frame = self._frames.get(stamp_ns)
        if frame is None or not has(frame, source.task):
            return None
        try:
            if source.task == 'boxes3d':
                return self._boxes(frame, ids)
            only = entry_of(frame, source.task)
            values: NDArray[Any] = labels_of(self._manifest, only, self._path)[source.task][1]
        except DataError as error:
            raise TruthError(str(error)) from error
        if source.task == 'depth':
            return true_depth(values, max_m)
        return values if source.match is None else source.match.lookup[values]

    def _boxes(self, frame: Mapping[str, Any], ids: Mapping[str, int]) -> Boxes3D:
        classes, named = self._manifest.boxes, self._class_map
        names = [next((n for n in named.get(c.name, ()) if n in ids), c.name) for c in classes]
        fields = read_boxes(inside(self._manifest.folder, frame['boxes3d'], self._path), classes)
        known = np.array([names[k] in ids for k in fields['class_ids']], bool)
        return Boxes3D(
            np.array([ids[names[k]] for k in fields['class_ids'][known]], np.int64),
            np.ones(int(known.sum()), np.float32),
            fields['centers_m'][known],
            fields['sizes_m'][known],
            fields['quaternions_xyzw'][known],
            box_table(ids),
        )


def box_table(ids: Mapping[str, int]) -> tuple[SemanticClass, ...]:
    return tuple(SemanticClass(number, name, (0, 0, 0)) for name, number in ids.items())


def has(frame: Mapping[str, Any], task: str) -> bool:
    return bool(frame.get(task) or (frame.get('maps') or {}).get(task))


def entry_of(frame: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Returns the frame with only the entry of one task, so that no other file is read."""
    own = frame.get(task)
    scale = {'depth_scale': frame['depth_scale']} if frame.get('depth_scale') else {}
    return {task: own, **scale} if own else {'maps': {task: frame['maps'][task]}}


def stamp_of(frame: Mapping[str, Any], path: Path) -> int:
    """Returns the stamp of a frame. Raises DataError."""
    written = frame.get('stamp_ns', Path(str(frame['image'])).stem)
    try:
        return int(written)
    except ValueError:
        raise DataError(
            f'{path}: {frame["image"]} has no stamp; add stamp_ns, or name images by their stamp.'
        ) from None
