"""Turns a trained compact network into one with other classes or more tasks: weights and losses.

What the old network has learned is transferred: weights whose shape stays are copied; a new class
starts as the mixture of old classes that the old network predicts on its pixels; a new task starts
as a copy of the decoder of the semantic (classes) or depth (numbers) task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.datasets.manifest import Manifest
from mtscene_ros.types import UNLABELED, SemanticClass
from training.config import CompactConfig, OwnTask
from training.data.sample import Sample
from training.graphs.deploy import DeployGraph

State = dict[str, Tensor]
SEMANTIC_LAYERS = re.compile(r'(preliminary|heads|mix)\.semantic\.(weight|bias)')
ADAPTED = ('classes', 'tasks', 'own_tasks', 'class_weights')


def adapted_config(
    config: CompactConfig, manifest: Manifest, samples: Iterable[Sample]
) -> CompactConfig:
    """Returns the configuration with the manifest's classes, if any, and its maps as new tasks."""
    seen = list(samples)
    own = tuple(own_task(name, classes, seen) for name, classes in manifest.maps.items())
    changes: dict[str, Any] = {
        'own_tasks': (*config.own_tasks, *own),
        'tasks': (*config.tasks, *(task.name for task in own)),
    }
    if manifest.semantic and manifest.semantic != config.classes:
        changes |= {'classes': manifest.semantic, 'class_weights': ()}
    return replace(config, **changes)


def own_task(name: str, classes: tuple[SemanticClass, ...], samples: list[Sample]) -> OwnTask:
    """Describes a manifest's map as a task. Raises ValueError if no frame has the map."""
    maps = [s.maps[name] for s in samples if name in s.maps]
    if not maps:
        raise ValueError(
            f'No frame of the split has the map {name}; label some or leave the map out.'
        )
    if classes:
        return OwnTask(name, classes)
    values = np.concatenate([m[np.isfinite(m)] for m in maps]).astype(np.float64)
    return OwnTask(name, (), float(values.mean()), max(float(values.std()), 1e-6))


def class_mixture(
    graph: DeployGraph, samples: list[Sample], classes: tuple[SemanticClass, ...]
) -> NDArray[np.float64]:
    """Returns (new, old): how often the old network predicts each old class on a new class's
    pixels.

    samples: at network size. A class without any pixel gets an equal mixture of all.
    """
    old = len(graph.config.classes)
    counts = np.full((len(classes), old), 1e-6)
    for sample in samples:
        with torch.inference_mode():
            found = graph(torch.from_numpy(np.ascontiguousarray(sample.rgb))[None])
        seen = found['semantic_labels'][0].cpu().numpy()
        step = sample.labels.shape[0] // seen.shape[0]
        labels = sample.labels[::step, ::step]
        known = labels != UNLABELED
        np.add.at(counts, (labels[known], seen[known]), 1)
    return np.asarray(counts / counts.sum(1, keepdims=True))


def transferred_weights(
    fresh: State, old: State, config: CompactConfig, mixture: NDArray[np.float64] | None
) -> State:
    """Returns the new network's weights with everything that the old ones can provide."""
    siblings = {task.name: 'semantic' if task.classes else 'depth' for task in config.own_tasks}
    found = {}
    for name, value in fresh.items():
        source = old.get(name)
        if source is None:
            own = next((t for t in siblings if f'.{t}.' in name), None)
            source = old.get(name.replace(f'.{own}.', f'.{siblings[own]}.')) if own else None
        if mixture is not None and SEMANTIC_LAYERS.fullmatch(name):
            value = mixed(name, old[name], torch.from_numpy(mixture).float())
        elif source is not None and source.shape == value.shape:
            value = source
        elif source is not None and name in old:
            value = overlapping(value, source)
        found[name] = value.clone()
    return found


def mixed(name: str, old: Tensor, mixture: Tensor) -> Tensor:
    """Mixes rows (of layers that predict classes) or columns (of layers that read predictions)."""
    if not name.startswith('mix.'):
        return torch.einsum('nk,k...->n...', mixture, old)
    if name.endswith('bias'):
        return old
    wide = old.shape[1] - mixture.shape[1]
    taken = torch.einsum('ok...,nk->on...', old[:, wide:], mixture)
    return torch.cat([old[:, :wide], taken], 1)


def overlapping(fresh: Tensor, old: Tensor) -> Tensor:
    """Copies the old part of a layer that covers all tasks; new tasks extend it at the end."""
    value = fresh.clone()
    part = tuple(slice(0, min(a, b)) for a, b in zip(fresh.shape, old.shape, strict=True))
    value[part] = old[part]
    return value


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


def adaptation_of(config: CompactConfig) -> dict[str, Any]:
    """Describes what a checkpoint must record beside the name of the original configuration."""
    return {key: asdict(config)[key] for key in ADAPTED}


def freeze_norms(network: nn.Module) -> None:
    """Freezes batch statistics, because a few frames are too few to estimate them."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
