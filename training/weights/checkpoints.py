"""Loads released checkpoints of InvPT and TaskPrompter into our networks, entry by entry.

A released file is torch.save({'model': state_dict, 'optimizer': ..., ...}) of a network wrapped
for distributed training, so every key begins with `module.`
(docs/network-specification.md, section 0.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtscene_ros.types import SemanticClass
from training.networks.invpt import InvPTConfig
from training.networks.taskprompter import TaskPrompterConfig
from training.networks.zoo import NetworkConfig, build_on_meta
from training.weights.checkpoint_store import CheckpointError, read_file, refuse_not_finite

# Entries of released files that influence no output (docs/network-specification.md, section 0.2).
DEAD_INVPT = re.compile(
    r'multi_task_decoder\.(scale_embed\.2\.|invpt\.redu_chan\.0\.|invpt\.norm_mt\.'
    r'|invpt\.invpt_stages\.0\.blocks\.0\.attn\.fuse_attn\.)'
)
NOTHING = re.compile('(?!)')
MAX_NAMED = 12  # maximum number of entries of one kind that are named


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Returns a checkpoint's state dictionary without the `module.` prefix; runs no code of the
    file.

    Raises CheckpointError for a file that is not a checkpoint or holds more than tensors.
    """
    loaded = read_file(path, numpy_scalars())
    state = loaded
    if isinstance(loaded, dict):  # a released file, or one of training.train
        state = loaded.get('model', loaded.get('average', loaded))
    if not is_state(state):
        raise CheckpointError(
            f'{path} holds no state dictionary (neither at the top nor under "model"); '
            'give a checkpoint that the authors released.'
        )
    refuse_not_finite(state, path)
    return without_prefix(state)


def own_classes(path: Path) -> tuple[SemanticClass, ...]:
    """Returns the classes that a training on a user's own data has recorded, () if none. Raises
    CheckpointError."""
    loaded = read_file(path, numpy_scalars())
    rows = (loaded.get('adapted') or {}).get('classes') if isinstance(loaded, dict) else None
    return tuple(
        SemanticClass(int(r['id']), str(r['name']), tuple(r['color_rgb'])) for r in rows or ()
    )


def released_weights(
    fresh: Mapping[str, Tensor], config: NetworkConfig, path: Path
) -> tuple[dict[str, Tensor], list[str]]:
    """Returns a network's weights with everything that a released checkpoint provides, and the
    names of those that start afresh: only layers of the semantic classes may, where their number
    differs. Raises CheckpointError."""
    state = read_checkpoint(path)
    for key in [key for key in state if dead_entries(config).match(key)]:
        del state[key]
    structural_complaints(build_on_meta(config), state)
    if isinstance(config, InvPTConfig):
        resample_position(state, config)
    afresh = [k for k, v in fresh.items() if k in state and state[k].shape != v.shape]
    kept = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    found = {k: kept[k] if k in kept and k not in afresh else v for k, v in fresh.items()}
    other = [k for k in afresh if 'semseg' not in k]
    complaints = mismatches({k: fresh[k] for k in (*other, *(fresh.keys() - kept.keys()))}, kept)
    if other or fresh.keys() - kept.keys():
        text = ' '.join(c for c in complaints if ' unexpected: ' not in c)
        raise CheckpointError(f'{path} does not fit the network: {text}')
    return found, afresh


def numpy_scalars() -> list[Any]:
    """Returns the classes of a pickled NumPy number: schedulers may hold some, and they run no
    code."""
    scalar = np.float64(0).__reduce__()[0]
    places = ('numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar')  # of NumPy 1 and 2
    kinds = [type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'bool')]
    return [*((scalar, place) for place in places), np.dtype, *kinds]


def is_state(state: object) -> bool:
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    )


def without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix('module.'): value for key, value in state.items()}


def dead_entries(config: NetworkConfig) -> re.Pattern[str]:
    if isinstance(config, InvPTConfig):
        return DEAD_INVPT
    if isinstance(config, TaskPrompterConfig):
        return re.compile(rf'backbone\.blocks\.{config.depth - 1}\.attn\.token_trans1\.')
    return NOTHING


def load_network(
    config: NetworkConfig, state: Mapping[str, Tensor]
) -> tuple[nn.Module, list[str]]:
    """Returns a network in evaluation mode that owns the tensors of `state`, and the unused keys.

    InvPT at a size other than that of its weights gets a resampled position embedding. Raises
    CheckpointError naming every missing, unexpected and misshapen entry.
    """
    network = build_on_meta(config)
    state = dict(state)
    dead = [key for key in state if dead_entries(config).match(key)]
    for key in dead:
        del state[key]
    complaints = structural_complaints(network, state)
    if isinstance(config, InvPTConfig):
        resample_position(state, config)
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


def resample_position(state: dict[str, Tensor], config: InvPTConfig | TaskPrompterConfig) -> None:
    """Resamples bicubically with half-pixel centres and no antialiasing, as the authors do from
    ImageNet's 24 x 24 grid (docs/network-specification.md, section 0.3).

    The aspect ratio of the old grid is that of a published size, or 1.
    """
    key = 'backbone.pos_embed'
    embedding = state.get(key)
    rows, columns = config.grid
    if embedding is None or embedding.ndim != 3 or embedding.shape[1] == rows * columns + 1:
        return
    known = {28 * 36: (28, 36), 32 * 32: (32, 32), 24 * 24: (24, 24)}
    old = known.get(embedding.shape[1] - 1)
    if old is None:
        return  # mismatches() reports the shape
    cls, patches = embedding[:, :1], embedding[:, 1:]
    maps = patches.float().transpose(1, 2).unflatten(2, old)
    finer = nn.functional.interpolate(maps, (rows, columns), mode='bicubic', align_corners=False)
    state[key] = torch.cat([cls.float(), finer.flatten(2).transpose(1, 2)], 1)
