"""The frames of a manifest whose labels teach one task."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import load
from mtscene_ros.tasks import TASKS
from mtscene_ros.types import UNLABELED, SemanticClass
from training.data import manifest_samples
from training.data.sample import Sample


def own_name(word: str) -> str:
    if not re.fullmatch('[a-z][a-z0-9_]*', word) or word in TASKS:
        raise argparse.ArgumentTypeError(
            f'{word!r} cannot name a task of your own; use lower-case letters, digits and _, and '
            f'none of {", ".join(TASKS)}.'
        )
    return word


@dataclass(frozen=True, slots=True)
class TaughtSource:
    """A dense task of a manifest; is_semantic: its labels are those of `semantic`."""

    manifest: Path
    name: str
    classes: tuple[SemanticClass, ...]
    is_semantic: bool = False

    def read(self, number: str) -> Sample:
        """Raises DataError."""
        sample = manifest_samples.read(self.manifest, number)
        if not self.is_semantic or (sample.labels == UNLABELED).all():
            return sample
        return replace(sample, maps={self.name: sample.labels})


def source_of(options: argparse.Namespace) -> TaughtSource:
    """Raises DataError where the manifest has no such task, or several and none is wanted."""
    path, wanted = options.manifest, options.task
    manifest = load(path)
    if options.semantic is not None:
        if not manifest.semantic:
            raise DataError(f'{path} has no `semantic` classes; leave --semantic out.')
        return TaughtSource(path, options.semantic, manifest.semantic, True)
    maps = manifest.maps
    if not maps:
        fix = '; teach its `semantic` labels with --semantic NAME' if manifest.semantic else ''
        raise DataError(f'{path} has no maps; name the task and its labels there{fix}.')
    if wanted is None and len(maps) > 1:
        raise DataError(f'{path} has the tasks {", ".join(maps)}; choose one with --task.')
    if wanted is not None and wanted not in maps:
        raise DataError(f'{path} has no task {wanted}; it has {", ".join(maps)}.')
    name = wanted or next(iter(maps))
    return TaughtSource(path, name, maps[name])


def support_of(source: TaughtSource, most: int | None) -> list[Sample]:
    """Frames with labels of the task; how many have none is said. Raises DataError."""
    path, name = source.manifest, source.name
    labelled: list[Sample] = []
    bare = 0
    for number in manifest_samples.names(path, 'train'):
        if len(labelled) == most:
            break
        sample = source.read(number)
        if name in sample.maps:
            labelled.append(sample)
        else:
            bare += 1
    if not labelled:
        raise DataError(f'{path} has no frame in `train` with a map of {name}; label some.')
    if bare:
        have, teach = ('has', 'teaches') if bare == 1 else ('have', 'teach')
        print(
            f'{bare} of {bare + len(labelled)} frames {have} no map of {name} and {teach} nothing.'
        )
    if most is not None and most > len(labelled):
        print(f'--frames {most}: the manifest has only {len(labelled)} with a map of {name}.')
    return labelled
