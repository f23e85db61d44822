"""Measures whether predictions with a confidence of 0.8 are right eight times in ten.

Confidences are binned, and the result is the expected calibration error (Guo et al., ICML 2017,
section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Ids

BINS = 15


class Calibration:
    """Sums per bin of confidence.

    sums: (3, BINS): number of predictions, sum of their confidences, number of right ones.
    """

    def __init__(self) -> None:
        self.sums = np.zeros((3, BINS))

    def add(self, confidence: NDArray[Any], right: NDArray[np.bool_]) -> float:
        """Adds (N,) confidences in [0, 1] and whether each was right; returns the error of these
        alone."""
        index = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        sums = np.stack(
            [
                np.bincount(index, minlength=BINS),
                np.bincount(index, confidence, BINS),
                np.bincount(index, right, BINS),
            ]
        ).astype(np.float64)
        self.sums += sums
        return expected_error(sums)

    def add_labels(
        self, labels: Ids, confidence: NDArray[np.uint8], truth: NDArray[np.uint8]
    ) -> float:
        """Adds one image and returns its error.

        labels: (H, W) ids; confidence: (H, W) round(255 p); truth: (H, W) ids, 255 unknown.
        """
        known = truth != 255
        # Counts the 256 levels first: dividing whole images would take longer than the network.
        right = (labels == truth)[known]
        levels = confidence[known]
        counts = np.stack(
            [np.bincount(levels[right], minlength=256), np.bincount(levels, minlength=256)]
        )
        steps = np.arange(256) / 255
        index = np.minimum((steps * BINS).astype(np.int64), BINS - 1)
        sums = np.stack(
            [np.bincount(index, w, BINS) for w in (counts[1], counts[1] * steps, counts[0])]
        ).astype(np.float64)
        self.sums += sums
        return expected_error(sums)

    def state(self) -> dict[str, Any]:
        return {'sums': self.sums.tolist()}

    def merge(self, state: Mapping[str, Any]) -> None:
        self.sums += np.array(state['sums'])

    def ece(self) -> float:
        return expected_error(self.sums)

    def rows(self) -> list[dict[str, float]]:
        """Returns one row per bin that has predictions."""
        return [
            {
                'from': k / BINS,
                'to': (k + 1) / BINS,
                'count': float(count),
                'confidence': float(confidence / count),
                'accuracy': float(right / count),
            }
            for k, (count, confidence, right) in enumerate(self.sums.T)
            if count
        ]


def expected_error(sums: NDArray[np.float64]) -> float:
    """Returns the error in [0, 1]; NaN without predictions."""
    count, confidence, right = sums
    total = count.sum()
    return float(np.abs(confidence - right).sum() / total) if total else float('nan')
