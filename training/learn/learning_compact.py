"""Trains the compact networks: implements `Kind` of `training/learn/learning.py` for
CompactConfig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.types import SemanticClass
from training.config import CompactConfig
from training.data.augment import augmented as strongly_augmented
from training.data.augment import letterboxed
from training.data.by_name import Tables
from training.data.published_augment import published
from training.data.sample import Sample
from training.graphs.deploy import DeployGraph, normalised
from training.learn.pretrained import load_encoder as load_encoder_weights
from training.learn.weighting import by_task
from training.networks.decoders import compact_network
from training.tasks import task_of

Batch = dict[str, dict[str, Tensor]]
Arrays = dict[str, NDArray[Any]]
LOSS_OF_ALL = True  # every process computes the loss over the images of all processes
AUGMENTATIONS = {'strong': strongly_augmented, 'published': published}


def network_of(config: CompactConfig) -> nn.Module:
    return compact_network(config)


def encoder_of(network: nn.Module) -> nn.Module:
    encoder = network.encoder
    assert isinstance(encoder, nn.Module)
    return encoder


def load_encoder(network: nn.Module, path: Path, config: CompactConfig) -> None:
    """Loads encoder weights. Raises ValueError if they do not fit."""
    load_encoder_weights(encoder_of(network), path)


def optimizer_of(
    network: nn.Module, further: list[nn.Parameter], config: CompactConfig
) -> torch.optim.Optimizer:
    """Creates AdamW without weight decay for biases, norms, positions and `further`; a group's
    `share` scales its learning rate."""
    by_kind: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, p in network.named_parameters():
        decays = p.ndim > 1 and p.shape[0] > 1
        by_kind.setdefault((name.startswith('encoder.'), decays), []).append(p)
    groups: list[dict[str, Any]] = [
        {
            'params': found,
            'weight_decay': config.weight_decay if decays else 0.0,
            'share': config.encoder_rate if of_encoder else 1.0,
        }
        for (of_encoder, decays), found in by_kind.items()
    ]
    if further:
        groups.append({'params': further, 'weight_decay': 0.0, 'share': 1.0})
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def defaults(config: CompactConfig) -> dict[str, Any]:
    """Returns values for options that the command line leaves open."""
    return {
        'schedule': 'cosine',
        'clip': 5.0,
        'ema': 0.998,
        'steps': 0,
        'warm_up': 200,
        'accumulate': 1,
        'recompute': False,
        'bf16': False,
        'data_set': config.data_set,
        'save_every': 200,
    }


def augmented(sample: Sample, config: CompactConfig, rng: np.random.Generator) -> Sample:
    return AUGMENTATIONS[config.augmentation](sample, config.width_px, config.height_px, rng)


def whole(sample: Sample, config: CompactConfig) -> Sample:
    return letterboxed(sample, config.width_px, config.height_px)


def targets(sample: Sample, config: CompactConfig, rng: np.random.Generator) -> dict[str, Arrays]:
    return {name: task_of(name, config).targets(sample, config, rng) for name in config.tasks}


def losses(network: nn.Module, batch: Batch, config: CompactConfig) -> dict[str, Tensor]:
    """Computes the loss over the whole step's batch in every process, so that means over pixels
    need no correction."""
    late, early = network(normalised(batch['image']['rgb']))
    return losses_of(late, early, batch, config)


def losses_of(
    late: dict[str, Tensor], early: dict[str, Tensor], batch: Batch, config: CompactConfig
) -> dict[str, Tensor]:
    """Returns the losses by task, and NAME_preliminary, of final and preliminary predictions."""
    if torch.distributed.is_initialized():
        late = {name: gather_batch(value) for name, value in late.items()}
        early = {name: gather_batch(value) for name, value in early.items()}
        names = config.tasks
        batch = {n: {key: gather_batch(value) for key, value in batch[n].items()} for n in names}
    found = {}
    for name in config.tasks:
        task = task_of(name, config)
        found[name] = task.loss(late[name], batch[name])
        found[f'{name}_preliminary'] = task.preliminary_loss(early[name], batch[name])
    return found


def gather_batch(own: Tensor) -> Tensor:
    """Gathers (B, ...) from every process into (world B, ...); gradients flow only to this
    process's part."""
    own = own.contiguous()
    parts = [torch.empty_like(own) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, own.detach())
    parts[torch.distributed.get_rank()] = own
    return torch.cat(parts)


def weighted(found: dict[str, Tensor], config: CompactConfig) -> dict[str, Tensor]:
    return by_task(found)


def tables_of(config: CompactConfig) -> Tables:
    return Tables(
        config.classes if 'semantic' in config.tasks else (),
        config.box_classes if 'boxes3d' in config.tasks else (),
        {task.name: task.classes for task in config.own_tasks},
    )


def classes_of(config: CompactConfig) -> tuple[SemanticClass, ...]:
    return config.classes


def deployed(network: nn.Module, config: CompactConfig) -> nn.Module:
    return DeployGraph(network, config)
