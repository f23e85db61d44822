"""Turns a trained compact network into one with other classes or more tasks: which, and losses.

The weights go over by training/learn/transfer.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtscene_ros.datasets.class_tables import Classes, coloured
from mtscene_ros.terminal import listed, plural
from mtscene_ros.types import UNLABELED
from training.config import CompactConfig, OwnTask
from training.data.by_name import Tables
from training.data.sample import Sample
from training.graphs.deploy import DeployGraph
from training.tasks.boxes3d import CODE

ADAPTED = ('classes', 'tasks', 'own_tasks', 'class_weights', 'box_classes')
# Task → whether a sample has labels of it.
LABELS: dict[str, Callable[[Sample], bool]] = {
    'semantic': lambda s: bool((s.labels != UNLABELED).any()),
    'depth': lambda s: bool(np.isfinite(s.depth_m).any()),
    'boxes3d': lambda s: s.has_boxes,
    'normals': lambda s: s.normals is not None,
    'boundary': lambda s: s.boundary is not None,
    'saliency': lambda s: s.saliency is not None,
    'human_parts': lambda s: s.human_parts is not None,
}


def labelled_in(samples: Iterable[Sample]) -> set[str]:
    """Returns the tasks, own ones included, for which any sample has labels."""
    found: set[str] = set()
    for sample in samples:
        found |= {task for task, has in LABELS.items() if task not in found and has(sample)}
        found |= set(sample.maps)
    return found


def adapted_config(
    config: CompactConfig, tables: Tables, samples: list[Sample]
) -> tuple[CompactConfig, list[str]]:
    """Returns the configuration with the classes that the samples are labelled with, and sentences
    about what becomes of the network's.

    semantic: the manifest's table replaces the network's, unless the names are the same or
    class_map names the network's; boxes3d: new names follow the network's own; maps: new tasks, or
    the network's own ones of that name. Raises ValueError for a map that cannot be learned.
    """
    labelled = labelled_in(samples)
    changes: dict[str, Any] = {}
    said = []
    names = {c.name for c in tables.semantic}
    if (
        'semantic' in labelled
        and 'semantic' in config.tasks
        and names != {c.name for c in config.classes}
        and not tables.class_map
    ):
        changes |= {'classes': tables.semantic, 'class_weights': ()}
        said.append(exchanged(tables.semantic, config.classes))
    if 'boxes3d' in labelled and 'boxes3d' in config.tasks:
        changes['box_classes'] = grown(config.box_classes, tables)
        new = [c.name for c in changes['box_classes'][len(config.box_classes) :]]
        if new:
            count = plural(len(new), 'class is', 'classes are')
            said.append(f'boxes3d: {count} new to the network: {listed(new)}.')
    own = {task.name: task for task in config.own_tasks}
    for name, classes in tables.maps.items():
        own[name] = own_task(name, classes, samples, own.get(name))
    new_tasks = tuple(name for name in own if name not in config.tasks)
    changes |= {'own_tasks': tuple(own.values()), 'tasks': (*config.tasks, *new_tasks)}
    left_out = sorted(labelled - {*config.tasks, *new_tasks})
    if left_out:
        said.append(f'The network has no {listed(left_out)}: these labels are left out.')
    return replace(config, **changes), said


def exchanged(new: Classes, old: Classes) -> str:
    """Returns the sentence about a table that replaces another."""
    common = [c.name for c in new if c.name in {o.name for o in old}]
    known = f'{listed(common)} by the same name' if common else 'none of the same name'
    return (
        f'semantic: {plural(len(new), "class", "classes")} of the manifest in place of the '
        f"network's {len(old)}, {known}."
    )


def grown(known: Classes, tables: Tables) -> Classes:
    """Appends the boxes' classes that are not known yet, under the network's names."""
    names = [n for c in tables.boxes for n in tables.class_map.get(c.name, (c.name,))]
    new = [n for n in dict.fromkeys(names) if n not in {c.name for c in known} and n != 'unknown']
    return (*known, *coloured([*(c.name for c in known), *new])[len(known) :])


def own_task(
    name: str, classes: Classes, samples: list[Sample], known: OwnTask | None = None
) -> OwnTask:
    """Describes a manifest's map as a task; known: the network's task of that name. Raises
    ValueError if no frame has the map, or if it is of another kind than the network's."""
    if known is not None and bool(known.classes) != bool(classes):
        kinds = {True: 'classes', False: 'a number per pixel'}
        raise ValueError(
            f'The map {name} has {kinds[bool(classes)]}, but the network has a task of that name '
            f'with {kinds[bool(known.classes)]}; name the map otherwise.'
        )
    maps = [s.maps[name] for s in samples if name in s.maps]
    if known is not None and (not maps or not classes):
        return known
    if not maps:
        raise ValueError(
            f'No frame of the split has the map {name}; label some or leave the map out.'
        )
    if classes:
        return OwnTask(name, classes)
    values = np.concatenate([m[np.isfinite(m)] for m in maps]).astype(np.float64)
    if not len(values):
        raise ValueError(f'No pixel of the map {name} has a number; label some or leave it out.')
    return OwnTask(name, (), float(values.mean()), max(float(values.std()), 1e-6))


def class_mixture(graph: DeployGraph, samples: list[Sample], classes: Classes) -> NDArray[Any]:
    """Returns (new, old): how often the old network predicts each old class on a new class's
    pixels.

    samples: at network size. A class without any pixel is the old one of its name, or an equal
    mixture of all.
    """
    counts = 1e-3 * same_names(classes, graph.config.classes) + 1e-6  # less than one pixel
    for sample in samples:
        with torch.inference_mode():
            found = graph(torch.from_numpy(np.ascontiguousarray(sample.rgb))[None])
        seen = found['semantic_labels'][0].cpu().numpy()
        step = sample.labels.shape[0] // seen.shape[0]
        labels = sample.labels[::step, ::step]
        known = labels != UNLABELED
        np.add.at(counts, (labels[known], seen[known]), 1)
    return np.asarray(counts / counts.sum(1, keepdims=True))


def same_names(new: Classes, old: Classes) -> NDArray[np.float64]:
    """Returns (new, old): 1 where the names are the same."""
    return np.array([[float(n.name == o.name) for o in old] for n in new]).reshape(
        len(new), len(old)
    )


def distillation_loss(
    found: dict[str, Tensor], kept: dict[str, Tensor], tasks: tuple[str, ...]
) -> dict[str, Tensor]:
    """Returns by task the mean distance to the frozen network's output, in that output's standard
    deviations (Hinton et al., 2015, with L1 on raw outputs instead of softened classes)."""
    losses = {}
    for name in tasks:
        want = kept[name].float()
        spread = want.std((0, 2, 3), keepdim=True).clamp(min=1e-3)
        losses[f'{name} kept'] = ((found[name].float() - want).abs() / spread).mean()
    return losses


def kept_boxes(late: Tensor, want: Tensor, kept: list[int]) -> Tensor:
    """Returns the distance to the frozen network's boxes of the classes `kept`, which the frames
    have no labels for: their heat everywhere, the code where the frozen network sees them."""
    heat, old = late[:, kept].float(), want[:, kept].float()
    spread = old.std((0, 2, 3), keepdim=True).clamp(min=1e-3)
    seen = old.sigmoid().amax(1, keepdim=True)
    code = (late[:, -CODE:].float() - want[:, -CODE:].float()).abs() * seen
    return ((heat - old).abs() / spread).mean() + code.sum() / (CODE * seen.sum()).clamp(min=1e-3)


def adaptation_of(config: CompactConfig) -> dict[str, Any]:
    """Describes what a checkpoint must record beside the name of the original configuration."""
    return {key: asdict(config)[key] for key in ADAPTED}
