"""Scores dense tasks over many images: one meter per kind of result, with sums in float64.

`update` adds one image and returns its own scores; `state` returns all sums, ready for JSON; `add`
adds the state of another meter; `scores` returns the scores of all images, named and scaled as
`training.evaluate` prints them (mIoU and F measures in percent).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.evaluate.scores.metrics import confusion, intersection_and_union, mean_ious
from mtscene_ros.terminal import plural
from mtscene_ros.types import UNLABELED

T = TypeVar('T')
F64 = NDArray[np.float64]
Scores = dict[str, float]
State = dict[str, Any]

NAN = float('nan')
DELTA = 1.25  # Eigen et al., NIPS 2014, section 4


class Meter(Protocol):
    """Scores one kind of result; prediction and truth have the same size, or are Boxes3D."""

    def update(self, prediction: Any, truth: Any, /) -> Scores: ...

    def state(self) -> State: ...

    def add(self, state: Mapping[str, Any]) -> None: ...

    def scores(self) -> Scores: ...


def ratio(part: float, whole: float) -> float:
    """Returns part / whole, NaN if whole is 0."""
    return part / whole if whole else NAN


class LabelMeter:
    """Compares (H, W) ids; 255 in the truth is unknown. See `mean_ious` for the means.

    scored: ids of the classes that the truth can have, None for all; the means are over these, as
    the data sets' own scripts compute them.
    """

    def __init__(self, names: list[str], scored: Sequence[int] | None = None) -> None:
        self.names = names
        self.scored = sorted(range(len(names)) if scored is None else scored)
        self.counts = np.zeros((len(names), len(names) + 1), np.int64)

    def update(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Scores:
        """Raises ValueError if the truth contains an id that the model does not have."""
        highest = int(np.where(truth != UNLABELED, truth, 0).max())
        if highest >= len(self.names):
            raise ValueError(
                f'The true labels contain the class id {highest}, but the network has '
                f'{plural(len(self.names), "class", "classes")}; score it on data with its own '
                'classes.'
            )
        counts = confusion(prediction, truth, len(self.names))
        self.counts += counts
        iou, union = iou_percent(counts)
        right = ratio(float(np.trace(counts)), float(counts.sum()))
        return self._means(iou, union) | {'accuracy': 100 * right}

    def _means(self, iou: F64, union: NDArray[np.int64]) -> Scores:
        return mean_ious(iou[self.scored], union[self.scored] > 0)

    def state(self) -> State:
        return {'names': self.names, 'scored': self.scored, 'counts': self.counts.tolist()}

    def add(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError if the classes differ."""
        if list(state['names']) != self.names:
            raise ValueError(
                'Sequences with different classes have no common score; evaluate them with '
                'the same model.'
            )
        self.counts += np.array(state['counts'], np.int64)
        self.scored = sorted({*self.scored, *state.get('scored', range(len(self.names)))})

    def present(self) -> list[str]:
        """Returns the classes that occur in the truth or in the predictions."""
        union = iou_percent(self.counts)[1]
        return [name for name, pixels in zip(self.names, union, strict=True) if pixels]

    def scores(self) -> Scores:
        iou, union = iou_percent(self.counts)
        found = self._means(iou, union)
        found['accuracy'] = 100 * ratio(float(np.trace(self.counts)), float(self.counts.sum()))
        return found | {f'iou {n}': float(v) for n, v in zip(self.names, iou, strict=True)}


def iou_percent(counts: NDArray[np.int64]) -> tuple[F64, NDArray[np.int64]]:
    """Converts (C, C + 1) confusion to (C,) percent, 0 for absent classes, and (C,) unions."""
    both, union = intersection_and_union(counts)
    return 100.0 * both / np.maximum(union, 1), union


DEPTH_SUMS = (
    'truths', 'answered', 'abs_rel', 'sq_rel', 'squared', 'squared_log',
    'within_1', 'within_2', 'within_3',
)  # fmt: skip


def depth_sums(prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Sums over the pixels whose truth is finite and > 0.

    A prediction that is not finite means "beyond the range" and counts against the deltas and
    `coverage` only.
    """
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
    """Compares (H, W) metres (or disparities); edges_m: ranges of true depth with own scores."""

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
    """Yields the lower and upper edge of each bin and its content."""
    for (low, high), inside in zip(pairwise(edges), bins, strict=True):
        yield low, high, inside


def add_sums(into: dict[str, float], other: Mapping[str, float]) -> None:
    for name in into:
        into[name] += other[name]


class SumMeter:
    """Averages errors over pixels; kind: a key of SUMS, which names the errors."""

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
    """Sums the angles between (..., 3) unit vectors; a truth of (0, 0, 0) is unknown."""
    known = np.abs(truth).max(-1) > 0
    got, want = prediction[known].astype(np.float64), truth[known].astype(np.float64)
    # Kahan's formula is exact for small angles too.
    gap, both = np.linalg.norm(got - want, axis=-1), np.linalg.norm(got + want, axis=-1)
    degrees = np.degrees(2 * np.arctan2(gap, both))
    shares = (('within_11', 11.25), ('within_22', 22.5), ('within_30', 30.0))
    sums = {name: float((degrees < limit).sum()) for name, limit in shares}
    return {'truths': float(len(degrees)), 'mean_deg': float(degrees.sum()), **sums}


def value_sums(prediction: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Sums the errors of (H, W) values of a user's own task; NaN is unknown."""
    known = np.isfinite(truth)
    gap = prediction[known].astype(np.float64) - truth[known].astype(np.float64)
    return {
        'truths': float(len(gap)),
        'squared': float(np.square(gap).sum()),
        'absolute': float(np.abs(gap).sum()),
    }


def normals_means(sums: Mapping[str, float]) -> Scores:
    """Returns the mean angle in degrees, as published, and the shares within 11.25, 22.5 and 30
    degrees (Fouhey et al., ICCV 2013)."""
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
