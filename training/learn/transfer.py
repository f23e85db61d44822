"""Weights of a trained compact network for one with other classes or more tasks.

Weights whose shape stays are copied; a class keeps what the class of its name has learned, a new
class of the labels starts as the mixture of old classes that the old network predicts on its
pixels, a new class of boxes as the mean of all; a new task starts as a copy of the decoder of the
semantic (classes) or depth (numbers) task.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from mtscene_ros.datasets.class_tables import Classes
from training.config import CompactConfig
from training.learn.adapting import same_names
from training.tasks.boxes3d import CODE

State = dict[str, Tensor]
CLASS_LAYERS = re.compile(r'(preliminary|heads|mix)\.(\w+)\.(weight|bias)')


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """How the classes of one task change. mixture: (new, old) shares of the old classes in each
    new one; tail: rows of the final layer after those of the classes."""

    mixture: Tensor
    tail: int = 0


def transferred_weights(
    fresh: State,
    old: State,
    config: CompactConfig,
    old_config: CompactConfig,
    mixture: NDArray[Any] | None = None,
) -> State:
    """Returns the new network's weights with everything that the old ones can provide.

    mixture: of the semantic classes; by default a class is the old one of its name.
    """
    changes = changes_of(config, old_config)
    if mixture is not None:
        changes['semantic'] = Change(torch.from_numpy(mixture).float())
    siblings = {task.name: 'semantic' if task.classes else 'depth' for task in config.own_tasks}
    found = {}
    for name, value in fresh.items():
        layer = CLASS_LAYERS.fullmatch(name)
        source = old.get(name)
        if source is None:
            own = next((t for t in siblings if f'.{t}.' in name), None)
            source = old.get(name.replace(f'.{own}.', f'.{siblings[own]}.')) if own else None
        if layer is not None and layer[2] in changes and name in old:
            value = exchanged_rows(layer, value, old[name], changes[layer[2]])
        elif source is not None and source.shape == value.shape:
            value = source
        elif source is not None and name in old:
            value = overlapping(value, source)
        found[name] = value.clone()
    return found


def changes_of(config: CompactConfig, old_config: CompactConfig) -> dict[str, Change]:
    """Returns the tasks whose classes differ, or have another order."""
    pairs: dict[str, tuple[Classes, Classes, int]] = {
        'semantic': (config.classes, old_config.classes, 0),
        'boxes3d': (config.box_classes, old_config.box_classes, CODE),
    }
    before = {task.name: task.classes for task in old_config.own_tasks}
    for task in config.own_tasks:
        if task.classes and before.get(task.name):
            pairs[task.name] = task.classes, before[task.name], 0
    return {
        name: Change(by_name_or_mean(new, old), tail)
        for name, (new, old, tail) in pairs.items()
        if [c.name for c in new] != [c.name for c in old]
    }


def by_name_or_mean(new: Classes, old: Classes) -> Tensor:
    """Returns (new, old): 1 for the class of the same name, equal shares for a new one."""
    shares = torch.from_numpy(same_names(new, old)).float()
    is_new = shares.sum(1, keepdim=True) == 0
    return torch.where(is_new, 1 / len(old), shares)


def exchanged_rows(layer: re.Match[str], fresh: Tensor, old: Tensor, change: Change) -> Tensor:
    """Mixes the rows of layers that predict classes, the columns of those that read them.

    The bias of new boxes stays fresh: it makes them rare.
    """
    is_new = change.mixture.amax(1) < 1
    if layer[1] == 'mix':
        if layer[3] == 'bias':
            return old
        # New boxes say nothing yet; the network stays as it is.
        unread = is_new[:, None] & bool(change.tail)
        return mixed_columns(old, torch.where(unread, 0.0, change.mixture))
    tail = change.tail if layer[1] == 'heads' else 0
    count = old.shape[0] - tail
    rows = torch.einsum('nk,k...->n...', change.mixture, old[:count])
    if change.tail and layer[3] == 'bias':
        rows = torch.where(is_new, fresh[: len(rows)], rows)
    return torch.cat([rows, old[count:]])


def mixed_columns(old: Tensor, mixture: Tensor) -> Tensor:
    wide = old.shape[1] - mixture.shape[1]
    taken = torch.einsum('ok...,nk->on...', old[:, wide:], mixture)
    return torch.cat([old[:, :wide], taken], 1)


def overlapping(fresh: Tensor, old: Tensor) -> Tensor:
    """Copies the old part of a layer that covers all tasks; new tasks extend it at the end."""
    value = fresh.clone()
    part = tuple(slice(0, min(a, b)) for a, b in zip(fresh.shape, old.shape, strict=True))
    value[part] = old[part]
    return value
