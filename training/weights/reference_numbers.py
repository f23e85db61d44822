"""Weights, inputs and samples behind the numbers of the reference folders, drawn again from
their names (inputs.py there)."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The architecture computes them.
STRUCTURAL = ('relative_position_index', 'attn_mask')


def weight(key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Value of one entry: normal numbers from a generator seeded with the CRC-32 of its name."""
    last = key.rsplit('.', 1)[-1]
    if last == 'num_batches_tracked':
        return np.zeros(shape, np.int64)
    n = normal(key, shape)
    if last == 'running_var':
        n = 1.0 + 0.1 * np.abs(n)
    elif last in ('running_mean', 'bias'):
        n = 0.1 * n
    elif last == 'scale' or (last == 'weight' and len(shape) == 1):
        n = 1.0 + 0.1 * n
    elif last == 'weight':
        n = n / np.sqrt(float(np.prod(shape[1:])))
    else:
        n = 0.5 * n
    return np.asarray(n, np.float32).reshape(shape)


def normal(tag: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.Generator(np.random.PCG64(zlib.crc32(tag.encode()))).standard_normal(shape)


def uniform(tag: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.Generator(np.random.PCG64(zlib.crc32(tag.encode()))).random(shape)


def sampled(output: NDArray[Any], how: str) -> NDArray[Any]:
    """'full', 'flat[::s]' or '[..., a::s, b::t]'."""
    if how == 'full':
        return output
    numbers = [int(n) for n in re.findall(r'\d+', how)]
    if how.startswith('flat'):
        return output.reshape(-1)[:: numbers[0]]
    return output[..., numbers[0] :: numbers[1], numbers[2] :: numbers[3]]
