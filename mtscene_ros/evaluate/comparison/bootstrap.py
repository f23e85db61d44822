"""Computes how certain a difference of scores is, with percentile bootstrap intervals (Efron and
Tibshirani 1993, chapter 13)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95
RESAMPLES = 1000


def over_sequences(
    count: int,
    change: Callable[[Sequence[int]], Mapping[str, float]],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> dict[str, Interval]:
    """Draws whole sequences with replacement and returns score → interval.

    change: takes the indices of the drawn sequences and returns score → change of its total.
    """
    known: dict[tuple[int, ...], Mapping[str, float]] = {}
    drawn = []
    for _ in range(resamples):
        chosen = tuple(sorted(rng.integers(0, count, count).tolist()))
        if chosen not in known:  # with few sequences the same draw occurs again
            known[chosen] = change(chosen)
        drawn.append(known[chosen])
    paths = dict.fromkeys(path for of in drawn for path in of)
    return {path: interval(np.array([of.get(path, math.nan) for of in drawn])) for path in paths}


def over_frames(
    changes: F64, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Interval | None:
    """Returns the interval of the mean of one number per frame, None for fewer than two frames.

    Neighbouring frames are alike, so runs of about √n frames are drawn, and a run that reaches the
    end continues at the beginning (Politis and Romano 1992).
    """
    values = changes[np.isfinite(changes)]
    count = len(values)
    if count < 2:
        return None
    length = round(math.sqrt(count))
    starts = rng.integers(0, count, (resamples, -(-count // length)))
    index = (starts[..., None] + np.arange(length)) % count
    return interval(values[index.reshape(resamples, -1)[:, :count]].mean(1))


def interval(values: F64) -> Interval:
    """Returns the percentile interval of the finite values, twice NaN if there are none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return math.nan, math.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known, (tail, 100 - tail))
    return float(low), float(high)
