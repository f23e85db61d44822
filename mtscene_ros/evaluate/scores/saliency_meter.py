"""Scores saliency maps over many images: the best F measure over all thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.evaluate.scores.meters import F64, Scores, State
from mtscene_ros.types import UNLABELED

BETA_SQUARED = 0.3  # of the F measure of saliency (Achanta et al., CVPR 2009)
THRESHOLDS = np.linspace(0.05, 0.95, 19).astype(np.float32)


class SaliencyMeter:
    """Compares (H, W) probabilities of being salient with a truth of 0, 1 and 255 (unknown).

    `max_f` is the best F measure over THRESHOLDS. `published_max_f` is what the papers print:
    their meter applies the sigmoid to a probability once more, so only five thresholds matter.
    """

    def __init__(self) -> None:
        # Per threshold: right predictions, predictions, truths.
        self.curves = {name: np.zeros((3, len(THRESHOLDS))) for name in SALIENCY}

    def update(self, prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
        known = truth != UNLABELED
        p, salient = prediction[known].astype(np.float32), truth[known] == 1
        scaled = {'max_f': p, 'published_max_f': 1 / (1 + np.exp(-p))}
        curves = {name: curve(scaled[name], salient) for name in SALIENCY}
        self.add({name: c.tolist() for name, c in curves.items()})
        return {name: best_f(c) for name, c in curves.items()}

    def state(self) -> State:
        return {name: c.tolist() for name, c in self.curves.items()}

    def add(self, state: Mapping[str, Any]) -> None:
        for name in SALIENCY:
            self.curves[name] += np.array(state[name])

    def scores(self) -> Scores:
        return {name: best_f(self.curves[name]) for name in SALIENCY}


SALIENCY = ('max_f', 'published_max_f')


def curve(probability: NDArray[np.float32], salient: NDArray[np.bool_]) -> F64:
    """Counts (N,) pixels; returns (3, thresholds): right predictions, predictions, truths."""
    # How many thresholds each probability reaches.
    reached = np.searchsorted(THRESHOLDS, probability, side='right')
    size = len(THRESHOLDS) + 1
    hits, all_ = (
        np.bincount(reached[salient], minlength=size),
        np.bincount(reached, minlength=size),
    )
    right, found = (c[::-1].cumsum()[::-1][1:] for c in (hits, all_))
    return np.stack([right, found, np.full(len(THRESHOLDS), salient.sum())]).astype(np.float64)


def best_f(counts: F64) -> float:
    """Returns the best F measure over the thresholds in percent."""
    if not counts.any():  # not one pixel whose truth is known
        return float('nan')
    right, found, truths = counts
    precision, recall = right / np.maximum(found, 1), right / np.maximum(truths, 1)
    below = np.maximum(BETA_SQUARED * precision + recall, 1e-12)
    return 100 * float(((1 + BETA_SQUARED) * precision * recall / below).max())
