"""Trains the published networks: implements `Kind` of `training/learn/learning.py` for Recipe."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.types import SemanticClass
from training.data.augment import letterboxed
from training.data.by_name import Tables
from training.data.published_augment import padded, published
from training.data.sample import Sample
from training.graphs.deploy import normalised
from training.graphs.deploy_published import SEMANTIC, PublishedGraph
from training.learn.detection_losses import all_targets, detection_losses
from training.learn.pretrained import read_weights
from training.learn.published_targets import Arrays, objects_of
from training.learn.published_targets import targets as published_targets
from training.losses import (
    class_loss,
    depth_loss,
    edge_loss,
    normals_loss,
    saliency_loss,
    task_weights,
)
from training.networks.detection3d import DetectionMaps
from training.networks.taskprompter_swin import SwinConfig
from training.networks.timm_encoder import TimmEncoder, loaded_encoder
from training.networks.vit import set_drop_path
from training.networks.zoo import build
from training.recipes import DROP_PATH, Recipe
from training.weights.checkpoints import resample_position

Batch = dict[str, dict[str, Tensor]]
LOSS_OF_ALL = False  # each process computes the loss of its own images, as in the authors' code
LATER_STAGE = re.compile(r'layers\.([123])\.downsample\.')


def network_of(recipe: Recipe) -> nn.Module:
    network = build(recipe.network_config)
    set_drop_path(encoder_blocks(encoder_of(network)), DROP_PATH)
    return network


def encoder_of(network: nn.Module) -> nn.Module:
    encoder = network.backbone
    assert isinstance(encoder, nn.Module)
    return encoder


def encoder_blocks(encoder: nn.Module) -> list[nn.Module]:
    """Returns the encoder's blocks in order, none of timm's other encoders."""
    if isinstance(encoder, TimmEncoder):
        return []
    return [module for module in encoder.modules() if hasattr(module, 'drop')]


def load_encoder(network: nn.Module, path: Path, recipe: Recipe) -> None:
    """Loads timm's weights of the encoder and resamples the position embedding.

    Source: docs/network-specification.md, section 0.3.

    The task prompts and their layers keep their values. Raises ValueError if the file does not
    fit.
    """
    encoder, found = encoder_of(network), read_weights(path)
    if recipe.encoder:
        size_px = recipe.height_px, recipe.width_px
        encoder.load_state_dict(loaded_encoder(recipe.encoder, size_px, path))
        return
    named = {stage_as_published(k): v for k, v in found.items()}
    wanted = encoder.state_dict()
    if 'pos_embed' in named and 'pos_embed' in wanted:
        state = {'backbone.pos_embed': named['pos_embed']}
        config = recipe.network_config
        assert not isinstance(config, SwinConfig)
        resample_position(state, config)
        named['pos_embed'] = state['backbone.pos_embed']
    fitting = {k: v for k, v in named.items() if k in wanted and v.shape == wanted[k].shape}
    needed = [k for k in wanted if re.search(r'\.(qkv|fc1|reduction)\.weight$', k)]
    missing = [k for k in needed if k not in fitting]
    if missing:
        raise ValueError(
            f'{path} has no {missing[0]} of shape {tuple(wanted[missing[0]].shape)}: give the '
            "weights of timm's encoder for this network (docs/network-specification.md, section "
            '0.3).'
        )
    encoder.load_state_dict(fitting, strict=False)


def stage_as_published(name: str) -> str:
    """Converts names: timm 1 counts a merging to the stage after it, the checkpoints before it."""
    return LATER_STAGE.sub(lambda m: f'layers.{int(m[1]) - 1}.downsample.', name)


def optimizer_of(
    network: nn.Module, further: list[nn.Parameter], recipe: Recipe
) -> torch.optim.Optimizer:
    """Creates Adam with one parameter group, as published; further: loss weights, without
    decay."""
    groups: list[dict[str, Any]] = [
        {'params': list(network.parameters()), 'weight_decay': recipe.weight_decay, 'share': 1.0}
    ]
    if further:
        groups.append({'params': further, 'weight_decay': 0.0, 'share': 1.0})
    return torch.optim.Adam(groups, lr=recipe.learning_rate)


def defaults(recipe: Recipe) -> dict[str, Any]:
    """Returns values for options that the command line leaves open."""
    return {
        'schedule': 'poly',
        'clip': recipe.clip,
        'ema': 0.0,
        'steps': recipe.steps,
        'warm_up': 0,
        'accumulate': recipe.accumulate,
        'recompute': recipe.recompute,
        'bf16': recipe.bf16,
        'data_set': recipe.data_set,
        'save_every': 1000,
    }


def augmented(sample: Sample, recipe: Recipe, rng: np.random.Generator) -> Sample:
    if recipe.augmentation == 'none':
        return whole(sample, recipe)
    return published(sample, recipe.width_px, recipe.height_px, rng)


def whole(sample: Sample, recipe: Recipe) -> Sample:
    """Fits a sample as evaluation does: centred with grey around it; larger images are shrunk."""
    height, width = sample.labels.shape
    if width > recipe.width_px or height > recipe.height_px:
        return letterboxed(sample, recipe.width_px, recipe.height_px)
    return padded(sample, recipe.width_px, recipe.height_px)


def targets(sample: Sample, recipe: Recipe, rng: np.random.Generator) -> dict[str, Arrays]:
    return published_targets(sample, recipe)


def losses(network: nn.Module, batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """Returns the losses by task, including those of InvPT's preliminary predictions."""
    found = network(normalised(batch['image']['rgb']))
    late, further = found if isinstance(found, tuple) else (found, None)
    terms = {n: dense_loss(n, value, batch[n]['truth'], recipe) for n, value in late.items()}
    if isinstance(further, DetectionMaps):
        terms['3ddet'] = detection_loss(further, batch['3ddet'], recipe)
    elif further is not None:
        for name, value in further.items():
            term = dense_loss(name, value, batch[name]['truth'], recipe)
            terms[f'{name}_preliminary'] = term
    return terms


def dense_loss(name: str, prediction: Tensor, truth: Tensor, recipe: Recipe) -> Tensor:
    by_name: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        'semseg': class_loss,
        'human_parts': class_loss,
        'sal': saliency_loss,
        'edge': edge_loss,
        'normals': normals_loss,
        'depth': partial(depth_loss, unknown=recipe.unknown_depth),
    }
    return by_name[name](prediction.float(), truth)


def detection_loss(maps: DetectionMaps, rows: dict[str, Tensor], recipe: Recipe) -> Tensor:
    config = recipe.network_config
    assert isinstance(config, SwinConfig)
    sizes = [(m.shape[2], m.shape[3]) for m in maps.scores]
    strides_px = [config.height_px / height for height, _ in sizes]
    of_level = all_targets(objects_of(rows), sizes, strides_px)
    return torch.stack(list(detection_losses(maps, of_level).values())).sum()


def weighted(found: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """Returns by task the loss plus the preliminary loss, multiplied by the published weight."""
    weights = task_weights(recipe.loss_weights)
    nothing = torch.zeros(())
    return {
        n: weights[n] * (found[n] + found.get(f'{n}_preliminary', nothing.to(found[n])))
        for n in recipe.tasks
    }


def tables_of(recipe: Recipe) -> Tables:
    return Tables(
        classes_of(recipe) if 'semseg' in recipe.tasks else (),
        DRIVE_BOXES if '3ddet' in recipe.tasks else (),
    )


def classes_of(recipe: Recipe) -> tuple[SemanticClass, ...]:
    return recipe.classes or SEMANTIC.get(dict(recipe.network_config.tasks).get('semseg', 0), ())


def deployed(network: nn.Module, recipe: Recipe) -> nn.Module:
    return PublishedGraph(network, recipe.network_config)
