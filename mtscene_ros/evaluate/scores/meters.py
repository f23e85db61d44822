"""Scores of dense tasks over many images: one meter per kind of result, with sums in float64.

`update` takes one image and returns its own scores; `state` is everything that adds up, as JSON
has it; `add` takes another one's state; `scores` are those of all together, named and scaled as
`training.evaluate` prints them (mIoU and F measures in percent).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.evaluate.scores.metrics import confusion, intersection_and_union, mean_ious
from mtscene_ros.types import UNLABELED

T = TypeVar('T')
F64 = NDArray[np.float64]
Scores = dict[str, float]
State = dict[str, Any]

NAN = float('nan')
DELTA = 1.25  # Eigen et al., NIPS 2014, section 4
BETA_SQUARED = 0.3  # of the saliency's F measure (Achanta et al., CVPR 2009)
THRESHOLDS = np.linspace(0.05, 0.95, 19).astype(np.float32)


class Meter(Protocol):
    """prediction, truth: of one image, of equal size; of boxes: Boxes3D."""

    def update(self, prediction: Any, truth: Any, /) -> Scores: ...

    def state(self) -> State: ...

    def add(self, state: Mapping[str, Any]) -> None: ...

    def scores(self) -> Scores: ...


def ratio(part: float, whole: float) -> float:
    """NaN of nothing."""
    return part / whole if whole else NAN


class LabelMeter:
    """(H, W) ids; truth 255 unknown. `mean_ious` defines the means over classes."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.counts = np.zeros((len(names), len(names) + 1), np.int64)

    def update(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Scores:
        """Raises ValueError for a truth with other classes."""
        highest = int(np.where(truth != UNLABELED, truth, 0).max())
        if highest >= len(self.names):
            raise ValueError(
                f'The labels hold the class id {highest}, the network knows {len(self.names)} '
                'classes; score it on data with its own classes.'
            )
        counts = confusion(prediction, truth, len(self.names))
        self.counts += counts
        iou, union = iou_percent(counts)
        right = ratio(float(np.trace(counts)), float(counts.sum()))
        return mean_ious(iou, union > 0) | {'accuracy': 100 * right}

    def state(self) -> State:
        return {'names': self.names, 'counts': self.counts.tolist()}

    def add(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError where the classes are others."""
        if list(state['names']) != self.names:
            raise ValueError('Sequences with different classes have no common score.')
        self.counts += np.array(state['counts'], np.int64)

    def present(self) -> list[str]:
        """Classes that the truth or the predictions have."""
        union = iou_percent(self.counts)[1]
        return [name for name, pixels in zip(self.names, union, strict=True) if pixels]

    def scores(self) -> Scores:
        iou, union = iou_percent(self.counts)
        found = mean_ious(iou, union > 0)
        found['accuracy'] = 100 * ratio(float(np.trace(self.counts)), float(self.counts.sum()))
        return found | {f'iou {n}': float(v) for n, v in zip(self.names, iou, strict=True)}


def iou_percent(counts: NDArray[np.int64]) -> tuple[F64, NDArray[np.int64]]:
    """(C, C + 1) confusion → (C,) percent, 0 for a class that nobody has; (C,) unions."""
    both, union = intersection_and_union(counts)
    return 100.0 * both / np.maximum(union, 1), union


DEPTH_SUMS = (
    'truths', 'answered', 'abs_rel', 'sq_rel', 'squared', 'squared_log',
    'within_1', 'within_2', 'within_3',
)  # fmt: skip


def depth_sums(prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Of the pixels whose truth is finite and > 0. A prediction that is not finite (the robot
    says: beyond my range) counts against the deltas and `coverage` only."""
    known = np.isfinite(truth) & (truth > 0)
    got, want = prediction[known].astype(np.float64), truth[known].astype(np.float64)
    positive = np.maximum(got, 1e-9)
    factor = np.maximum(positive / want, want / positive)
    answered = np.isfinite(got)
    sums = {f'within_{k}': float((factor < DELTA**k).sum()) for k in (1, 2, 3)}
    got, want, positive = got[answered], want[answered], positive[answered]
    return sums | {
        'truths': float(len(factor)),
        'answered': float(len(want)),
        'abs_rel': float((np.abs(got - want) / want).sum()),
        'sq_rel': float((np.square(got - want) / want).sum()),
        'squared': float(np.square(got - want).sum()),
        'squared_log': float(np.square(np.log(positive) - np.log(want)).sum()),
    }


def depth_scores(sums: Mapping[str, float]) -> Scores:
    truths, answered = sums['truths'], sums['answered']
    return {
        'rmse': float(np.sqrt(ratio(sums['squared'], answered))),
        'log_rmse': float(np.sqrt(ratio(sums['squared_log'], answered))),
        'abs_rel': ratio(sums['abs_rel'], answered),
        'sq_rel': ratio(sums['sq_rel'], answered),
        **{f'delta{k}': ratio(sums[f'within_{k}'], truths) for k in (1, 2, 3)},
        'coverage': ratio(answered, truths),
    }


class DepthMeter:
    """(H, W) metres (or disparities). edges_m: bins of the true distance that are scored apart."""

    def __init__(self, edges_m: tuple[float, ...] = ()) -> None:
        self.edges_m = edges_m
        self.total = dict.fromkeys(DEPTH_SUMS, 0.0)
        self.bins = [dict.fromkeys(DEPTH_SUMS, 0.0) for _ in edges_m[1:]]

    def update(self, prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
        sums = depth_sums(prediction, truth)
        add_sums(self.total, sums)
        for near_m, far_m, into in ranges(self.edges_m, self.bins):
            inside = (truth > near_m) & (truth <= far_m)
            add_sums(into, depth_sums(prediction[inside], truth[inside]))
        return depth_scores(sums)

    def state(self) -> State:
        return {'edges_m': list(self.edges_m), 'total': self.total, 'bins': self.bins}

    def add(self, state: Mapping[str, Any]) -> None:
        add_sums(self.total, state['total'])
        for into, other in zip(self.bins, state['bins'], strict=True):
            add_sums(into, other)

    def scores(self) -> Scores:
        return depth_scores(self.total)


def ranges(edges: Sequence[float], bins: list[T]) -> Iterator[tuple[float, float, T]]:
    """Lower and upper end of each bin, and what is in it."""
    for (low, high), inside in zip(pairwise(edges), bins, strict=True):
        yield low, high, inside


def add_sums(into: dict[str, float], other: Mapping[str, float]) -> None:
    for name in into:
        into[name] += other[name]


class SumMeter:
    """What is a mean of numbers per pixel; a kind says which."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.total: dict[str, float] = {}

    def update(self, prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
        sums = SUMS[self.kind](prediction, truth)
        self.add({'total': sums})
        return MEANS[self.kind](sums)

    def state(self) -> State:
        return {'total': self.total}

    def add(self, state: Mapping[str, Any]) -> None:
        for name, value in state['total'].items():
            self.total[name] = self.total.get(name, 0.0) + value

    def scores(self) -> Scores:
        return MEANS[self.kind](self.total or SUMS[self.kind](NOTHING, NOTHING))


NOTHING = np.zeros((0, 3), np.float32)


def normals_sums(prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """(..., 3) unit vectors; truth (0, 0, 0) unknown."""
    known = np.abs(truth).max(-1) > 0
    got, want = prediction[known].astype(np.float64), truth[known].astype(np.float64)
    # Kahan's formula: exact for small angles.
    gap, both = np.linalg.norm(got - want, axis=-1), np.linalg.norm(got + want, axis=-1)
    degrees = np.degrees(2 * np.arctan2(gap, both))
    shares = (('within_11', 11.25), ('within_22', 22.5), ('within_30', 30.0))
    sums = {name: float((degrees < limit).sum()) for name, limit in shares}
    return {'truths': float(len(degrees)), 'mean_deg': float(degrees.sum()), **sums}


def value_sums(prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """(H, W) numbers of a user's own task; NaN unknown."""
    known = np.isfinite(truth)
    gap = prediction[known].astype(np.float64) - truth[known].astype(np.float64)
    return {
        'truths': float(len(gap)),
        'squared': float(np.square(gap).sum()),
        'absolute': float(np.abs(gap).sum()),
    }


def normals_means(sums: Mapping[str, float]) -> Scores:
    """Mean angle, as published, and the shares within 11.25, 22.5 and 30 degrees (Fouhey et al.,
    ICCV 2013)."""
    names = ('mean_deg', 'within_11', 'within_22', 'within_30')
    return {name: ratio(sums[name], sums['truths']) for name in names}


def value_means(sums: Mapping[str, float]) -> Scores:
    truths = sums['truths']
    return {
        'rmse': float(np.sqrt(ratio(sums['squared'], truths))),
        'mae': ratio(sums['absolute'], truths),
    }


SUMS = {'normals': normals_sums, 'values': value_sums}
MEANS = {'normals': normals_means, 'values': value_means}


class SaliencyMeter:
    """(H, W) probability of being salient; truth 0, 1, 255 unknown.

    `max_f`: best F measure over THRESHOLDS. `published_max_f`: what the papers print; their meter
    takes the sigmoid of a probability once more, so that five of the thresholds matter.
    """

    def __init__(self) -> None:
        # Right predictions, predictions, truths: by threshold.
        self.curves = {name: np.zeros((3, len(THRESHOLDS))) for name in SALIENCY}

    def update(self, prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
        known = truth != UNLABELED
        p, salient = prediction[known].astype(np.float32), truth[known] == 1
        answers = {'max_f': p, 'published_max_f': 1 / (1 + np.exp(-p))}
        curves = {name: curve(answers[name], salient) for name in SALIENCY}
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
    """(N,) twice → (3, thresholds): right predictions, predictions, truths."""
    # Number of thresholds that each probability reaches.
    reached = np.searchsorted(THRESHOLDS, probability, side='right')
    size = len(THRESHOLDS) + 1
    hits, all_ = (
        np.bincount(reached[salient], minlength=size),
        np.bincount(reached, minlength=size),
    )
    right, found = (c[::-1].cumsum()[::-1][1:] for c in (hits, all_))
    return np.stack([right, found, np.full(len(THRESHOLDS), salient.sum())]).astype(np.float64)


def best_f(counts: F64) -> float:
    """Percent."""
    right, found, truths = counts
    precision, recall = right / np.maximum(found, 1), right / np.maximum(truths, 1)
    below = np.maximum(BETA_SQUARED * precision + recall, 1e-12)
    return 100 * float(((1 + BETA_SQUARED) * precision * recall / below).max())
