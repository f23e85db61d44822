"""Scores boundaries like the Berkeley benchmark (Martin, Fowlkes, Malik, PAMI 2004): odsF.

pyEdgeEval (extra `edge`, C++) matches the pixels.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DIST = 0.0075  # as a share of the image's diagonal, as for PASCAL-Context
THRESHOLDS = np.arange(1, 100) / 100.0
Counts = NDArray[np.float64]  # (4, thresholds): truths found, truths, hits, predictions


class EdgeError(ValueError):
    """pyEdgeEval is not installed; the message says how to install it."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silences pyEdgeEval, which imports old names of SciPy and prints its missing imports."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield


def matching(module: str) -> Any:
    """Imports a module of pyEdgeEval. Raises EdgeError if it is not installed."""
    try:
        with quiet():
            return importlib.import_module(f'pyEdgeEval.common.{module}')
    except ImportError as error:
        raise EdgeError(
            f'Scoring boundaries needs pyEdgeEval ({error}); run `pip install pyEdgeEval`.'
        ) from error


def counts(probability: NDArray[np.float32], truth: NDArray[np.uint8], max_dist: float) -> Counts:
    """Counts one image; predictions where the truth is unknown (255) are dropped.

    Raises EdgeError if pyEdgeEval is not installed.
    """
    module = matching('binary_label.evaluate_boundaries')
    known = truth != 255
    found = module.evaluate_boundaries_threshold(
        THRESHOLDS, np.where(known, probability, 0.0), known & (truth == 1), max_dist
    )
    return np.array(found)


def ods(total: Counts) -> dict[str, float]:
    """Returns odsF in percent: the F measure at the one threshold that is best for all images."""
    if not total.any():  # not one pixel whose truth is known
        return {'ods_f': float('nan'), 'threshold': float('nan')}
    module = matching('metrics')
    recall, precision, _ = module.compute_rec_prec_f1(*total)
    threshold, _, _, best = module.interpolated_max_scores(THRESHOLDS, recall, precision)
    return {'ods_f': 100 * float(best), 'threshold': float(threshold)}


class BoundaryMeter:
    """Compares (H, W) probabilities with a truth of 0, 1 and 255 (unknown)."""

    def __init__(self, max_dist: float = MAX_DIST) -> None:
        self.max_dist = max_dist
        self.total: Counts = np.zeros((4, len(THRESHOLDS)))

    def update(
        self, prediction: NDArray[np.float32], truth: NDArray[np.uint8]
    ) -> dict[str, float]:
        found = counts(prediction, truth, self.max_dist)
        self.total += found
        return ods(found)

    def state(self) -> dict[str, Any]:
        return {'max_dist': self.max_dist, 'counts': self.total.tolist()}

    def add(self, state: Mapping[str, Any]) -> None:
        self.total += np.array(state['counts'])

    def scores(self) -> dict[str, float]:
        return ods(self.total)
