"""The configuration of a training on a manifest: its classes in place of the named ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.terminal import listed, plural
from mtscene_ros.types import UNLABELED
from training.config import CompactConfig
from training.data import manifest_samples
from training.data.by_name import Tables
from training.data.sample import Sample
from training.learn.adapting import labelled_in, own_task
from training.learn.learning_published import classes_of
from training.learn.loader import Frame
from training.networks.zoo import node_name
from training.recipes import Recipe

LEAST_SHARE, BALANCE = 1e-3, 0.35
SAMPLES = 64  # of a manifest, from which the scale of own numbers is estimated


def own_config(
    config: CompactConfig, manifest: Path, split: str, tasks: list[str] | None
) -> tuple[CompactConfig, list[str]]:
    """Returns the configuration with the manifest's tables, and sentences about what changed.

    class_map keeps the tables of the configuration; tasks: those to learn, None for all. Raises
    DataError or ValueError.
    """
    tables = manifest_samples.tables(manifest)
    changes: dict[str, Any] = {}
    if tables.semantic and not tables.class_map and tables.semantic != config.classes:
        changes |= {'classes': tables.semantic, 'class_weights': ()}
    if tables.boxes and not tables.class_map:
        changes['box_classes'] = tables.boxes
    samples = first_samples(manifest, split)
    own = tuple(own_task(name, classes, samples) for name, classes in tables.maps.items())
    config = replace(
        config, **changes, own_tasks=own, tasks=(*config.tasks, *(task.name for task in own))
    )
    said = said_of(tables, changes, config)
    return config, [*said, *bare_sentence(tasks or config.tasks, samples)]


def first_samples(manifest: Path, split: str) -> list[Sample]:
    """Returns the first samples of a split. Raises DataError."""
    names = manifest_samples.names(manifest, split)[:SAMPLES]
    return [manifest_samples.read(manifest, name) for name in names]


def bare_sentence(tasks: Iterable[str], samples: list[Sample]) -> list[str]:
    bare = sorted(set(tasks) - labelled_in(samples))
    if not bare:
        return []
    return [
        f'The first {plural(len(samples), "frame")} have no labels for {listed(bare)}, which '
        'therefore learns nothing here; --tasks leaves it out.'
    ]


def own_recipe(recipe: Recipe, manifest: Path, split: str) -> tuple[Recipe, list[str]]:
    """Returns a paper's recipe with the manifest's semantic classes if they are other ones, and
    sentences. Raises DataError."""
    tables = manifest_samples.tables(manifest)
    said = bare_sentence([node_name(t) for t in recipe.tasks], first_samples(manifest, split))
    if tables.maps:
        said.append(f"The papers' networks have no {listed(list(tables.maps))}: left out.")
    names = [c.name for c in tables.semantic]
    published = [c.name for c in classes_of(recipe)]
    if tables.class_map or set(names) <= set(published) or 'semseg' not in recipe.tasks:
        return recipe, said
    found = replace(recipe, classes=tables.semantic)
    count = plural(len(names), 'class', 'classes')
    return found, [
        f"semantic: the manifest's {count} in place of the {len(published)} of the paper.",
        *said,
    ]


def said_of(tables: Tables, changes: dict[str, Any], config: CompactConfig) -> list[str]:
    rows = [('semantic', 'classes', tables.semantic), ('boxes3d', 'box_classes', tables.boxes)]
    return [
        f"{task}: the manifest's classes {listed([c.name for c in classes])} in place of those "
        f'of {config.name}.'
        for task, key, classes in rows
        if key in changes and task in config.tasks
    ]


def balanced(config: CompactConfig, frames: list[Frame]) -> CompactConfig:
    """Returns the configuration with class weights, share of the labelled pixels to the power of
    -0.35, as drive_lite has them; a class that no frame shows weighs as one of a thousandth.
    Raises ValueError without labels."""
    counts = np.zeros(len(config.classes))
    for frame in frames[:: max(1, len(frames) // SAMPLES)]:
        labels = frame.read().labels
        counts += np.bincount(labels[labels != UNLABELED], minlength=len(counts))
    if not counts.sum():
        raise ValueError('--class-weights balanced: no frame has semantic labels.')
    shares = np.maximum(counts / counts.sum(), LEAST_SHARE)
    return replace(config, class_weights=tuple((shares**-BALANCE).tolist()))


def with_tasks(config: CompactConfig, tasks: list[str] | None) -> CompactConfig:
    """Raises ValueError for a task that the configuration does not have."""
    if tasks is None:
        return config
    for name in tasks:
        if name not in config.tasks:
            raise ValueError(
                f'--tasks: {config.name} has no task {name}; it has {listed(config.tasks)}.'
            )
    own = tuple(task for task in config.own_tasks if task.name in tasks)
    return replace(config, tasks=tuple(t for t in config.tasks if t in tasks), own_tasks=own)
