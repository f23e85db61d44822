"""Scores of dense tasks over a data set, of all processes together (SPEC 7).

Sums and counts are torchmetrics'; what it has no name for is a mean of numbers per pixel. `result`
is to be called by every process. In percent: mIoU, F measures; as published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torchmetrics import MeanMetric, MeanSquaredError, Metric
from torchmetrics.classification import BinaryPrecisionRecallCurve, MulticlassConfusionMatrix

UNKNOWN = 255
BETA_SQUARED = 0.3  # of the saliency's F measure (Achanta et al., CVPR 2009)
THRESHOLDS = torch.linspace(0.05, 0.95, 19)
DELTA = 1.25  # Eigen et al., NIPS 2014, section 4


class Meter(Protocol):
    """Takes predictions and truth of one image at a time, of equal size."""

    def update(self, prediction: Tensor, truth: Tensor) -> None: ...

    def result(self) -> dict[str, float]: ...


M = TypeVar('M', bound=Metric)


def exact(metric: M) -> M:
    """Sums in float64: a data set has 10^8 pixels."""
    metric.set_dtype(torch.float64)
    return metric


class LabelMeter:
    """(H, W) ids; truth 255 unknown. A class that nobody has or predicts counts as 0 in the mean,
    as published; `present_miou` leaves those out."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.counts = MulticlassConfusionMatrix(len(names), ignore_index=UNKNOWN)

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Raises ValueError for a truth with other classes."""
        highest = int(truth.where(truth != UNKNOWN, 0).max())
        if highest >= len(self.names):
            raise ValueError(
                f'The labels hold the class id {highest}, the network knows {len(self.names)} '
                'classes; score it on data with its own classes.'
            )
        self.counts.update(prediction.long().flatten(), truth.long().flatten())

    def result(self) -> dict[str, float]:
        counts = self.counts.compute().double()
        both = counts.diag()
        union = counts.sum(0) + counts.sum(1) - both
        iou = 100 * both / union.clamp(min=1)
        found = {'miou': float(iou.mean()), 'present_miou': float(iou[union > 0].mean())}
        return found | {f'iou {n}': float(v) for n, v in zip(self.names, iou, strict=True)}


class DepthMeter:
    """(H, W) metres (or disparities); pixels whose truth is not finite and > 0 are left out.

    A prediction that is not finite (the robot says: beyond my range) counts against the deltas and
    `coverage` only, as in `mtscene_ros.evaluate.metrics.DepthErrors`.
    """

    def __init__(self) -> None:
        self.squared = exact(MeanSquaredError(squared=False))
        self.squared_log = exact(MeanSquaredError(squared=False))
        means = ('abs_rel', 'sq_rel', 'delta1', 'delta2', 'delta3', 'coverage')
        self.means = {name: exact(MeanMetric()) for name in means}

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        known = torch.isfinite(truth) & (truth > 0)
        got, want = prediction[known].double(), truth[known].double()
        if not len(want):
            return
        positive = got.clamp(min=1e-9)
        ratio = torch.maximum(positive / want, want / positive)
        for k in (1, 2, 3):
            self.means[f'delta{k}'].update((ratio < DELTA**k).double())
        answered = torch.isfinite(got)
        self.means['coverage'].update(answered.double())
        got, want, positive = got[answered], want[answered], positive[answered]
        if not len(want):
            return
        self.squared.update(got, want)
        self.squared_log.update(positive.log(), want.log())
        self.means['abs_rel'].update((got - want).abs() / want)
        self.means['sq_rel'].update((got - want).square() / want)

    def result(self) -> dict[str, float]:
        found = {'rmse': self.squared.compute(), 'log_rmse': self.squared_log.compute()}
        found |= {name: metric.compute() for name, metric in self.means.items()}
        return {name: float(value) for name, value in found.items()}


class ValueMeter:
    """(H, W) numbers of a user's own task; NaN unknown."""

    def __init__(self) -> None:
        self.squared = exact(MeanSquaredError(squared=False))
        self.absolute = exact(MeanMetric())

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        known = torch.isfinite(truth)
        got, want = prediction[known].double(), truth[known].double()
        if len(want):
            self.squared.update(got, want)
            self.absolute.update((got - want).abs())

    def result(self) -> dict[str, float]:
        return {'rmse': float(self.squared.compute()), 'mae': float(self.absolute.compute())}


class NormalsMeter:
    """(H, W, 3) unit vectors; truth (0, 0, 0) unknown. Mean angle, as published, and the shares
    within 11.25, 22.5 and 30 degrees (Fouhey et al., ICCV 2013)."""

    def __init__(self) -> None:
        names = ('mean_deg', 'within_11', 'within_22', 'within_30')
        self.means = {name: exact(MeanMetric()) for name in names}

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        known = truth.abs().amax(-1) > 0
        got, want = prediction[known].double(), truth[known].double()
        if not len(want):
            return
        # Kahan's formula: exact for small angles.
        angle = 2 * torch.atan2((got - want).norm(dim=-1), (got + want).norm(dim=-1))
        degrees = torch.rad2deg(angle)
        self.means['mean_deg'].update(degrees)
        for name, limit in (('within_11', 11.25), ('within_22', 22.5), ('within_30', 30.0)):
            self.means[name].update((degrees < limit).double())

    def result(self) -> dict[str, float]:
        return {name: float(metric.compute()) for name, metric in self.means.items()}


class SaliencyMeter:
    """(H, W) probability of being salient; truth 0, 1, 255 unknown.

    `max_f`: best F measure over THRESHOLDS. `published_max_f`: what the papers print; their meter
    takes the sigmoid of a probability once more, so that five of the thresholds matter.
    """

    def __init__(self) -> None:
        self.curves = {
            name: BinaryPrecisionRecallCurve(THRESHOLDS, ignore_index=UNKNOWN)
            for name in ('max_f', 'published_max_f')
        }

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        p, known = prediction.float().flatten(), truth.long().flatten()
        self.curves['max_f'].update(p, known)
        self.curves['published_max_f'].update(p.sigmoid(), known)

    def result(self) -> dict[str, float]:
        return {name: best_f(*curve.compute()[:2]) for name, curve in self.curves.items()}


def best_f(precision: Tensor, recall: Tensor) -> float:
    precision, recall = precision.nan_to_num(), recall.nan_to_num()
    below = BETA_SQUARED * precision + recall
    f = (1 + BETA_SQUARED) * precision * recall / below.clamp(min=1e-12)
    return 100 * float(f.max())


METERS: dict[str, Callable[[], Meter]] = {
    'depth': DepthMeter,
    'normals': NormalsMeter,
    'saliency': SaliencyMeter,
}
