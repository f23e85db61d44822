"""Does Visual Token Matching give the numbers of its reference folders? Part of `training.parity`.

Their meta.json says how many images of support and how many queries there are, keys.json is a
list of [key, shape, dtype, kind, CRC].
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.weights.matching_checkpoints import load_matching, shape_config
from training.weights.reference_numbers import STRUCTURAL, sampled, uniform, weight

LIMIT = 1e-4  # of a standard deviation; float32 explains up to 1.3e-5
MASKED_SHARE = 0.1


def is_matching(folder: Path) -> bool:
    return 'support' in json.loads((folder / 'meta.json').read_text())


def matching_errors(folder: Path) -> dict[str, float]:
    """Output → largest error over the standard deviation of the full output."""
    meta = json.loads((folder / 'meta.json').read_text())
    state = made_up_state(json.loads((folder / 'keys.json').read_text()))
    network, _ = load_matching(shape_config(state), state)
    del state  # the network owns the weights now
    rows = torch.tensor([meta['t_idx']])
    with torch.inference_mode():
        logits = network(*made_up_episode(meta), rows)
    found = {'logits': logits.numpy(), 'sigmoid': logits.sigmoid().numpy()}
    expected = np.load(folder / 'expected.npz', allow_pickle=False)
    worst = {}
    for name, about in meta['outputs'].items():
        want = expected[f'out:{name}'].astype(np.float64)
        got = sampled(found[name], about['sample'])
        if got.shape != want.shape:
            raise ValueError(f'{name} has shape {got.shape}, {folder} expects {want.shape}.')
        worst[name] = float(np.abs(got - want).max() / about['std'])
    return worst


def made_up_state(keys: list[list[Any]]) -> dict[str, Tensor]:
    """The weights behind a folder's numbers, named as in a released file. pre_ln_k and pre_ln_q
    are one tensor."""
    state = {}
    for key, shape, _, _, crc in keys:
        if key.rsplit('.', 1)[-1] in STRUCTURAL:
            continue
        value = weight(key.replace('pre_ln_k', 'pre_ln_q'), tuple(shape))
        checked(key, value, crc)
        state[key] = torch.from_numpy(value)
    return state


def made_up_episode(meta: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Support images (B, T, N, 3, S, S), their labels (B, T, N, 1, S, S), query images."""
    batch, channels, size = meta['batch'], meta['channels'], meta['size']
    images = {}
    for name in ('support', 'query'):
        drawn = drawn_uniform(name, (batch, 1, meta[name], 3, size, size))
        repeated = np.repeat(drawn, channels, 1)  # all channels are shown the same images
        checked(f'{name}_images', repeated, meta['crc32'][f'{name}_images'])
        images[name] = torch.from_numpy(repeated)
    shape = batch, channels, meta['support'], 1, size, size
    known = drawn_uniform('mask', shape) > MASKED_SHARE
    labels = np.where(known, drawn_uniform('labels', shape), np.float32(-1))
    checked('support_labels', labels, meta['crc32']['support_labels'])
    return images['support'], torch.from_numpy(labels), images['query']


def drawn_uniform(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    tag = f'vtm/{name}/{"x".join(map(str, shape))}'
    return uniform(tag, shape).astype(np.float32)


def checked(name: str, value: NDArray[Any], crc: int) -> None:
    if zlib.crc32(value.tobytes()) != crc:
        raise ValueError(f'{name}: its CRC is not the one of the folder; another NumPy?')
