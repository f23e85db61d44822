"""Boundaries as the Berkeley benchmark scores them (Martin, Fowlkes, Malik, PAMI 2004): odsF.

The matching is pyEdgeEval's (extra `edge`, C++). Numbers of one image are sums, so images are
worked on in several processes and added up.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from multiprocessing import get_context

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor

MAX_DIST = {'pascal_context': 0.0075, 'nyud': 0.011}  # of the image's diagonal, by data set
OTHERWISE = 0.0075
THRESHOLDS = np.arange(1, 100) / 100.0
Counts = NDArray[np.float64]  # (4, thresholds): found truth, truth, right predictions, predictions


@contextmanager
def quiet() -> Iterator[None]:
    """pyEdgeEval imports SciPy's old names and prints what it could not import."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield


def counts(probability: NDArray[np.float32], truth: NDArray[np.uint8], max_dist: float) -> Counts:
    """Of one image; pixels of unknown truth (255) are predicted nowhere."""
    with quiet():
        from pyEdgeEval.common.binary_label.evaluate_boundaries import (
            evaluate_boundaries_threshold,
        )
    known = truth != 255
    found = evaluate_boundaries_threshold(
        THRESHOLDS, np.where(known, probability, 0.0), known & (truth == 1), max_dist
    )
    return np.array(found)


class BoundaryMeter:
    """(H, W) probability; truth 0, 1, 255 unknown. odsF in percent: the F measure at the one
    threshold that is best for the whole data set."""

    def __init__(self, max_dist: float, jobs: int = 1) -> None:
        self.max_dist = max_dist
        # Fresh processes: a fork of one that uses torch may hang.
        self.pool = ProcessPoolExecutor(jobs, get_context('spawn')) if jobs > 1 else None
        self.waiting: list[Future[Counts]] = []
        self.total: Counts = np.zeros((4, len(THRESHOLDS)))

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        image = prediction.float().cpu().numpy(), truth.cpu().numpy().astype(np.uint8)
        if self.pool is None:
            self.total += counts(*image, self.max_dist)
        else:
            self.waiting.append(self.pool.submit(counts, *image, self.max_dist))

    def result(self) -> dict[str, float]:
        self.total += sum(job.result() for job in self.waiting)
        self.waiting.clear()
        if self.pool is not None:
            self.pool.shutdown()
        total = torch.from_numpy(self.total)
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
        return ods(total.numpy())


def ods(total: Counts) -> dict[str, float]:
    with quiet():
        from pyEdgeEval.common.metrics import compute_rec_prec_f1, interpolated_max_scores
    recall, precision, _ = compute_rec_prec_f1(*total)
    threshold, _, _, best = interpolated_max_scores(THRESHOLDS, recall, precision)
    return {'ods_f': 100 * float(best), 'threshold': float(threshold)}
