"""Computes how well results agree with the truth; every measure accumulates over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import UNLABELED, Ids

F64 = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 101)
MIN_RECALL = MIN_PRECISION = 0.1


def confusion(labels: Ids, truth: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Counts (H, W) ids; returns (classes, classes + 1): rows are truths, columns predictions.

    The last column counts pixels without a predicted class. Pixels whose truth is UNLABELED or not
    a class are left out.
    """
    known = (truth != UNLABELED) & (truth < classes)
    predicted = np.minimum(labels[known], classes).astype(np.int64)
    index = truth[known].astype(np.int64) * (classes + 1) + predicted
    return np.bincount(index, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def intersection_and_union(
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns, from (C, C + 1) confusion, the (C,) pixels of each class that truth and prediction
    share, and the (C,) pixels that either has."""
    square = counts[:, :-1]
    both = np.diag(square)
    return both, counts.sum(1) + square.sum(0) - both


def iou_per_class(counts: NDArray[np.int64]) -> F64:
    """Converts (C, C + 1) confusion to (C,) IoU in [0, 1]; NaN for absent classes."""
    both, union = intersection_and_union(counts)
    return np.where(union > 0, both / np.maximum(union, 1), np.nan)


def mean_ious(iou: F64, is_present: NDArray[np.bool_]) -> dict[str, float]:
    """Returns two means of the (C,) IoU, in its unit, over the classes.

    is_present: (C,) whether the class occurs in the truth or in the prediction. `miou` is the mean
    over all classes, where an absent class counts as 0; InvPT and TaskPrompter report this one.
    `present_miou` is the mean over the classes that occur, for images and recordings with few
    classes. The two are equal on a data set that has every class, and NaN if no class occurs.
    """
    if not is_present.any():
        return {'miou': float('nan'), 'present_miou': float('nan')}
    return {
        'miou': float(np.where(is_present, iou, 0.0).mean()),
        'present_miou': mean(iou[is_present]),
    }


def match_centers(
    centers_m: F64,
    scores: NDArray[np.float32],
    truth_m: F64,
    counted: NDArray[np.bool_],
    max_m: float,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Matches (P, 3) predictions of one class and image to (N, 3) truths, best score first.

    A prediction takes the nearest free counted truth within max_m (nuScenes, Caesar et al., CVPR
    2020, section 3.1, but with the distance in 3D). Returns for each prediction the index of its
    truth or -1, and whether to ignore it: unmatched, but within max_m of an uncounted truth.
    """
    matches, ignored = np.full(len(scores), -1, np.int64), np.zeros(len(scores), bool)
    free = counted.copy()
    for i in np.argsort(-scores, kind='stable') if len(truth_m) else ():
        gaps_m = np.linalg.norm(truth_m - centers_m[i], axis=1)
        best = int(np.where(free, gaps_m, np.inf).argmin())
        if free[best] and gaps_m[best] <= max_m:
            matches[i], free[best] = best, False
        else:
            ignored[i] = bool((gaps_m[~counted] <= max_m).any())
    return matches, ignored


@dataclass(slots=True)
class Detections:
    """Hits and misses of one class over all images.

    Each prediction has a score, a hit and a depth (along optical z); each truth has a depth; each
    pair has the errors of heading, centre and size (1 - IoU after alignment, ASE of nuScenes) and
    the depth of its truth.
    """

    truths: int = 0
    scores: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)
    depths_m: list[float] = field(default_factory=list)
    truth_depths_m: list[float] = field(default_factory=list)
    yaw_errors_rad: list[float] = field(default_factory=list)
    distances_m: list[float] = field(default_factory=list)
    size_errors: list[float] = field(default_factory=list)
    pair_depths_m: list[float] = field(default_factory=list)

    def extend(self, other: Detections) -> None:
        """Adds the detections of further images."""
        self.truths += other.truths
        for name in (f.name for f in fields(self) if f.name != 'truths'):
            getattr(self, name).extend(getattr(other, name))

    def result(self) -> dict[str, float]:
        return {
            'truths': self.truths,
            'ap': average_precision(np.array(self.scores), np.array(self.hits, bool), self.truths),
            'recall': sum(self.hits) / self.truths if self.truths else float('nan'),
            'yaw_error_deg': float(np.degrees(mean(self.yaw_errors_rad))),
            'distance_m': mean(self.distances_m),
            'size_error': mean(self.size_errors),
        }


def size_error(sizes_m: F64, truth_m: F64) -> F64:
    """Returns (N,) 1 - IoU of boxes with (N, 3) sizes that share centre and axes."""
    both_m3 = np.minimum(sizes_m, truth_m).prod(-1)
    return np.asarray(1 - both_m3 / (sizes_m.prod(-1) + truth_m.prod(-1) - both_m3))


def mean(values: Sequence[float] | F64) -> float:
    """Returns the mean, NaN without values."""
    return float(np.mean(values)) if len(values) else float('nan')


def average_precision(scores: F64, hits: NDArray[np.bool_], truths: int) -> float:
    """Returns AP as nuScenes defines it; NaN without truths.

    This is the mean, over recalls above 0.1, of the precision above 0.1, scaled to [0, 1].
    """
    if not truths:
        return float('nan')
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind='stable')
    found = np.cumsum(hits[order])
    precision = found / np.arange(1, len(found) + 1)
    at_recalls = np.interp(RECALLS, found / truths, precision, right=0.0)
    kept = at_recalls[round(100 * MIN_RECALL) + 1 :]
    return float(np.maximum(kept - MIN_PRECISION, 0).mean() / (1 - MIN_PRECISION))


def angle_difference_rad(a: F64, b: F64) -> F64:
    """Returns the absolute difference of two headings, in [0, pi]."""
    return np.asarray(abs((a - b + np.pi) % (2 * np.pi) - np.pi))
