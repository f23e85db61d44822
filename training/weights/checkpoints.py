"""Loads released checkpoints of InvPT and TaskPrompter into our networks, entry by entry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtscene_ros.types import SemanticClass
from training.networks.invpt import InvPTConfig
from training.networks.taskprompter import TaskPrompterConfig
from training.networks.zoo import NetworkConfig, build, build_on_meta
from training.recipes import Recipe
from training.weights.checkpoint_store import CheckpointError
from training.weights.released_files import read_released

# Entries of released files that influence no output (docs/network-specification.md, section 0.2).
DEAD_INVPT = re.compile(
    r'multi_task_decoder\.(scale_embed\.2\.|invpt\.redu_chan\.0\.|invpt\.norm_mt\.'
    r'|invpt\.invpt_stages\.0\.blocks\.0\.attn\.fuse_attn\.)'
)
NOTHING = re.compile('(?!)')
MAX_NAMED = 12  # maximum number of entries of one kind that are named


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Returns the weights of a checkpoint by the network's names; see released_files.py. Raises
    CheckpointError."""
    return read_released(path).state


def recorded(recipe: Recipe, adapted: Mapping[str, Any]) -> Recipe:
    """Returns the recipe as a training on a user's own data has recorded it; adapted: {} where
    nothing was."""
    classes = tuple(
        SemanticClass(int(r['id']), str(r['name']), tuple(r['color_rgb']))
        for r in adapted.get('classes') or ()
    )
    size = adapted.get('size_px') or ()
    return replace(
        recipe,
        classes=classes,
        own_tasks=tuple(str(name) for name in adapted.get('tasks') or ()),
        size_px=(int(size[0]), int(size[1])) if size else (),
        encoder=str(adapted.get('encoder') or ''),
    )


def record_of(recipe: Recipe) -> dict[str, Any]:
    """Returns what a checkpoint must record beside the name of the recipe."""
    found: dict[str, Any] = {}
    if recipe.classes:
        found['classes'] = [asdict(c) for c in recipe.classes]
    if recipe.own_tasks:
        found['tasks'] = list(recipe.tasks)
    if recipe.size_px:
        found['size_px'] = list(recipe.size_px)
    if recipe.encoder:
        found['encoder'] = recipe.encoder
    return found


def without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix('module.'): value for key, value in state.items()}


def dead_entries(config: NetworkConfig) -> re.Pattern[str]:
    if isinstance(config, InvPTConfig):
        return DEAD_INVPT
    if isinstance(config, TaskPrompterConfig):
        return re.compile(rf'backbone\.blocks\.{config.depth - 1}\.attn\.token_trans1\.')
    return NOTHING


def load_network(
    config: NetworkConfig,
    state: Mapping[str, Tensor],
    trained: tuple[int, int] | None = None,
) -> tuple[nn.Module, list[str]]:
    """Returns a network in evaluation mode that owns the tensors of `state`, and the unused keys.

    InvPT at a size other than that of its weights gets a resampled position embedding; trained:
    rows and columns of their patches, see resample_position. Raises
    CheckpointError naming every missing, unexpected and misshapen entry.
    """
    # Buffers of timm's encoders that no file holds need values.
    has_foreign = isinstance(config, InvPTConfig) and bool(config.encoder)
    network = build(config) if has_foreign else build_on_meta(config)
    state = dict(state)
    dead = [key for key in state if dead_entries(config).match(key)]
    for key in dead:
        del state[key]
    complaints = structural_complaints(network, state)
    if isinstance(config, InvPTConfig):
        resample_position(state, config, trained)
    complaints += mismatches(network.state_dict(), state)
    if complaints:
        raise CheckpointError('The checkpoint does not fit the network.\n' + '\n'.join(complaints))
    floats = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    network.load_state_dict(floats, assign=True)
    return network.eval(), dead


def structural_complaints(network: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Removes the buffers that the architecture determines from `state` and names those that
    differ from ours."""
    different = []
    persistent = network.state_dict().keys()
    for key, ours in network.named_buffers():
        if key in persistent or key not in state:
            continue
        theirs = state.pop(key)
        if theirs.shape != ours.shape or not torch.equal(theirs.to(ours.dtype), ours):
            different.append(key)
    return complaint('with other values than the architecture computes', different)


def mismatches(expected: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> list[str]:
    missing = [f'{k} {shape_of(v)}' for k, v in expected.items() if k not in got]
    unexpected = [f'{k} {shape_of(v)}' for k, v in got.items() if k not in expected]
    shaped = [
        f'{k} is {shape_of(got[k])}, not {shape_of(v)}'
        for k, v in expected.items()
        if k in got and got[k].shape != v.shape
    ]
    return (
        complaint('missing', missing)
        + complaint('unexpected', unexpected)
        + complaint('misshapen', shaped)
    )


def complaint(kind: str, entries: list[str]) -> list[str]:
    if not entries:
        return []
    more = f', and {len(entries) - MAX_NAMED} more' if len(entries) > MAX_NAMED else ''
    return [f'{len(entries)} {kind}: {", ".join(entries[:MAX_NAMED])}{more}.']


def shape_of(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'


def resample_position(
    state: dict[str, Tensor],
    config: InvPTConfig | TaskPrompterConfig,
    trained: tuple[int, int] | None = None,
) -> None:
    """Resamples bicubically with half-pixel centres and no antialiasing, as the authors do from
    ImageNet's 24 x 24 grid (docs/network-specification.md, section 0.3).

    trained: rows and columns of the old grid if its number of patches is theirs; else it is that
    of a published size, or square.
    """
    key = 'backbone.pos_embed'  # timm's other encoders have a level more
    embedding = state.get(key)
    if embedding is None or embedding.ndim != 3:
        return
    count, (rows, columns) = embedding.shape[1] - 1, config.grid
    old = trained if trained and math.prod(trained) == count else grid_of(count)
    if old is None or old == (rows, columns):
        return  # mismatches() reports the shape
    cls, patches = embedding[:, :1], embedding[:, 1:]
    maps = patches.float().transpose(1, 2).unflatten(2, old)
    finer = nn.functional.interpolate(maps, (rows, columns), mode='bicubic', align_corners=False)
    state[key] = torch.cat([cls.float(), finer.flatten(2).transpose(1, 2)], 1)


def grid_of(count: int) -> tuple[int, int] | None:
    """Returns rows and columns of a number of patches, None if nobody knows them."""
    side = math.isqrt(count)
    return (28, 36) if count == 28 * 36 else (side, side) if side * side == count else None
