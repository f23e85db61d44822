"""What a checkpoint file holds, whoever saved it: the weights of one network and their record.

Released files are torch.save({'model': state_dict, 'optimizer': ..., ...}) of a network wrapped
for distributed training, so every key begins with `module.` (docs/network-specification.md,
section 0.2). Fine-tuned ones of others come from torch.compile (`_orig_mod.`), from Lightning
(`state_dict`, whose keys begin with the attribute that held the network), or with a moving average
beside the network, which is the better of the two (Izmailov et al., UAI 2018).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mtscene_ros.terminal import plural
from training.weights.checkpoint_store import (
    CheckpointError,
    read_file,
    read_safetensors,
    refuse_not_finite,
)

State = dict[str, Tensor]
NETWORKS_KEYS = ('model', 'state_dict', 'network', 'model_state_dict', 'module')
AVERAGES = (
    'ema', 'model_ema', 'ema_model', 'state_dict_ema', 'ema_state_dict', 'averaged_model',
    'average', 'shadow',
)  # fmt: skip
ROOT = 'backbone.'  # what every network has; before it stand the names of wrappers
WRAPPERS = re.compile(r'(?:(?:module|model|network|net)\.)*')
COMPILED = '_orig_mod.'


@dataclass(frozen=True, slots=True, eq=False)
class ReleasedFile:
    """state: weights by the network's own names; adapted: what our training recorded about the
    network, {} in files of others; said: what was chosen or left out."""

    state: State
    adapted: Mapping[str, Any]
    said: tuple[str, ...] = ()


def read_released(path: Path) -> ReleasedFile:
    """Reads a checkpoint and runs no code of the file. Raises CheckpointError for a file that is
    not a checkpoint, that holds more than tensors, or weights that are not finite."""
    loaded: Any
    if path.suffix == '.safetensors':
        loaded = read_safetensors(path)
    else:
        loaded = read_file(path, numpy_scalars())
    plain, average, strays = states_in(loaded)
    if not plain and not average:
        raise CheckpointError(
            f'{path} holds no state dictionary (neither at the top nor under "model" or '
            '"state_dict"); give a checkpoint that the authors released.'
        )
    said = []
    if plain and average and 'config' not in loaded:  # ours is known to export its average
        said.append(f'{path}: its moving average is taken, not the weights beside it.')
    if strays:
        count = plural(len(strays), 'entry', 'entries')
        said.append(f'{path}: {count} beside the network left out, such as {strays[0]}.')
    state = {**plain, **average}  # an average may be of parameters only, without buffers
    refuse_not_finite(state, path)
    adapted = loaded.get('adapted') or {}
    return ReleasedFile(state, adapted, tuple(said))


def read_record(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Returns the configuration that a checkpoint of our training names and what it records
    beside, '' and {} for those of others. Raises CheckpointError."""
    loaded = read_file(path, numpy_scalars())
    if not isinstance(loaded, dict):
        return '', {}
    return str(loaded.get('config', '')), loaded.get('adapted') or {}


def states_in(loaded: object) -> tuple[State, State, list[str]]:
    """Returns the weights of the network and those of its moving average, {} for none, and the
    keys that are of neither."""
    if not isinstance(loaded, dict):
        return {}, {}, []
    named = {key: tensors_in(loaded.get(key)) for key in (*NETWORKS_KEYS, *AVERAGES)}
    top = loaded if is_state(loaded) else {}
    plain, inside, strays = parted(next((named[k] for k in NETWORKS_KEYS if named[k]), top))
    beside = next((named[key] for key in AVERAGES if named[key]), {})
    first, second, further = parted(beside)
    return plain, first or second or inside, [*strays, *further]


def tensors_in(value: object) -> State:
    """Returns the tensors of a state dictionary, also of {'module': ..., 'decay': 0.999}; {} if
    there are none."""
    if not isinstance(value, dict):
        return {}
    for key in (*NETWORKS_KEYS, 'shadow'):
        found = tensors_in(value.get(key))
        if found:
            return found
    return {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, Tensor)}


def parted(state: State) -> tuple[State, State, list[str]]:
    """Returns network and moving average of one dictionary, without the names of wrappers, and
    the keys of neither."""
    state = {k.replace(COMPILED, ''): v for k, v in state.items() if k != 'n_averaged'}
    if not state:
        return {}, {}, []
    roots = {k[: k.index(ROOT)] for k in state if f'.{ROOT}' in f'.{k}'}
    roots = {root for root in roots if not root or root.endswith('.')}
    wrapped = WRAPPERS.match(next(iter(state)))
    roots = roots or {wrapped[0] if wrapped else ''}
    groups: dict[str, State] = {root: {} for root in sorted(roots, key=len, reverse=True)}
    strays = []
    for key, value in state.items():
        root = next((root for root in groups if key.startswith(root)), None)
        if root is None:
            strays.append(key)
        else:
            groups[root][key.removeprefix(root)] = value
    averages = [root for root in groups if set(root.split('.')) & set(AVERAGES)]
    others = sorted((r for r in groups if r not in averages), key=lambda r: -len(groups[r]))
    strays += [f'{root}{key}' for root in others[1:] for key in groups[root]]
    plain = groups[others[0]] if others else {}
    return plain, groups[averages[0]] if averages else {}, strays


def is_state(state: object) -> bool:
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    )


def numpy_scalars() -> list[Any]:
    """Returns the classes of a pickled NumPy number: schedulers may hold some, and they run no
    code."""
    scalar = np.float64(0).__reduce__()[0]
    places = ('numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar')  # of NumPy 1 and 2
    kinds = [type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'bool')]
    return [*((scalar, place) for place in places), np.dtype, *kinds]
