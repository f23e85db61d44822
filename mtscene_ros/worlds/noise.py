"""Fast, repeatable noise from look-ups in two fixed periodic tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def _octaves(seed: int) -> F32:
    """Returns (256, 256) periodic noise of mean 0 and deviation 1: bilinear white noise at six
    scales."""
    rng = np.random.Generator(np.random.PCG64(seed))
    total, at = np.zeros((256, 256)), np.arange(256)
    for octave in range(2, 8):
        cells = 2**octave
        x = at * cells / 256
        low, share = x.astype(int), x - np.floor(x)
        values = rng.normal(size=(cells, cells))
        for axis, shape in ((0, (-1, 1)), (1, (1, -1))):
            first, second = values.take(low % cells, axis), values.take((low + 1) % cells, axis)
            values = first + (second - first) * share.reshape(shape)
        total += values * 0.75**octave
    return np.asarray((total - total.mean()) / total.std(), np.float32)


_SMOOTH = _octaves(7)
CELLS = np.random.Generator(np.random.PCG64(8)).random((256, 256)).astype(np.float32)


def noise(u: NDArray[Any], v: NDArray[Any], per_m: float) -> F32:
    """Returns noise of mean 0 and deviation 1 at (u, v) in metres; per_m: table entries per
    metre."""
    i, j = (u * per_m).astype(np.intp) & 255, (v * per_m).astype(np.intp) & 255
    return np.asarray(_SMOOTH[i, j])


def cell(i: NDArray[Any], j: NDArray[Any]) -> F32:
    """Returns a number in [0, 1) for each pair of integers."""
    return np.asarray(CELLS[i.astype(np.int32) & 255, j.astype(np.int32) & 255])
