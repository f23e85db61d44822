"""The metrics that both papers print for dense tasks, computed as their code does (SPEC 7).

All take what is known about the whole data set at once; means are over pixels, not images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.evaluate.metrics import confusion, iou_per_class

F64 = NDArray[np.float64]
IGNORED = 255
BETA_SQUARED = 0.3  # of the saliency's F measure (Achanta et al., CVPR 2009)
THRESHOLDS = np.linspace(0.05, 0.95, 19, dtype=np.float32)


def mean_iou(labels: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> float:
    """Intersection over union, mean over all classes; a class that neither holds counts as 0."""
    counts = confusion(labels.astype(np.uint8), truth.astype(np.uint8), classes)
    return float(np.nan_to_num(iou_per_class(counts)).mean())


def max_f_measure(probability: F64, truth: F64) -> float:
    """Best F measure over THRESHOLDS of the probability of being salient."""
    known = truth != IGNORED
    p, positive = probability[known], truth[known] == 1
    best = 0.0
    for threshold in THRESHOLDS:
        found = p >= threshold
        hits = float((found & positive).sum())
        precision, recall = hits / max(found.sum(), 1), hits / max(positive.sum(), 1)
        below = BETA_SQUARED * precision + recall
        best = max(best, (1 + BETA_SQUARED) * precision * recall / below if below else 0.0)
    return best


def published_max_f_measure(probability: F64, truth: F64) -> float:
    """What the papers report: their meter takes the sigmoid of a probability once more, so that
    only five of the thresholds tell anything apart."""
    twice = 1 / (1 + np.exp(-probability.astype(np.float32)))
    return max_f_measure(twice, truth)


def mean_angle_deg(normals: F64, truth: F64) -> float:
    """(B, 3, H, W) unit vectors; Kahan's formula, exact for small angles."""
    known = (truth != IGNORED).all(1)
    gap = np.linalg.norm(normals - truth, axis=1)
    total = np.linalg.norm(normals + truth, axis=1)
    return float(np.degrees(2 * np.arctan2(gap, total))[known].mean())


def depth_errors(depth: F64, truth: F64, known: NDArray[np.bool_]) -> dict[str, float]:
    """known: InvPT takes truth != 255, TaskPrompter 0 < truth < 80."""
    got, want = depth[known], truth[known]
    logs = np.log(want) - np.log(np.maximum(got, 1e-9))
    return {
        'rmse': float(np.sqrt(np.mean((got - want) ** 2))),
        'log_rmse': float(np.sqrt(np.mean(logs**2))),
        'abs_rel': float(np.mean(np.abs(got - want) / want)),
        'sq_rel': float(np.mean((got - want) ** 2 / want)),
    }
