"""Measures how far two model files agree: one in float32 and its fp16 or INT8 variant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.evaluate.scores.overlap import iou_3d
from mtscene_ros.types import (
    Boxes3D,
    CameraFrame,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    ValueMap,
)

Samples = dict[str, NDArray[Any]]
SAME_IOU = 0.7


def agreement(
    reference: SceneEstimator,
    other: SceneEstimator,
    frames: Sequence[CameraFrame],
    same_iou: float = SAME_IOU,
    min_score: float = 0.0,
) -> dict[str, dict[str, float]]:
    """Returns task → measure → its value over all frames. Both models must have the same tasks.

    A box with a score of at least min_score is searched for among all boxes of the other model,
    whatever their scores: a box whose score changes from 0.301 to 0.299 is not lost.
    """
    samples: dict[str, dict[str, list[NDArray[Any]]]] = defaultdict(lambda: defaultdict(list))
    for frame in frames:
        [want], [got] = reference.estimate([frame]), other.estimate([frame])
        for task, result in want.results.items():
            for name, values in compared(result, got.results[task], same_iou, min_score).items():
                samples[task][name].append(values)
    return {
        task: {name: _summary(name, np.concatenate(v)) for name, v in of_task.items()}
        for task, of_task in samples.items()
    }


def _summary(name: str, values: NDArray[Any]) -> float:
    if not len(values):
        return float('nan')
    return float(np.percentile(values, 99) if name.endswith('p99') else values.mean())


def compared(
    want: Result, got: Result, same_iou: float = SAME_IOU, min_score: float = 0.0
) -> Samples:
    """Compares the results of one image. Raises TypeError if their types differ."""
    if isinstance(want, LabelMap) and isinstance(got, LabelMap):
        return {'equal labels': (want.labels == got.labels).ravel()}
    if isinstance(want, DepthMap) and isinstance(got, DepthMap):
        known = np.isfinite(want.depth_m) & np.isfinite(got.depth_m)
        relative = np.abs(got.depth_m[known] / want.depth_m[known] - 1)
        return {'relative difference': relative, 'relative difference p99': relative}
    if isinstance(want, NormalMap) and isinstance(got, NormalMap):
        cosine = (want.normals * got.normals).sum(2)
        angle_deg = np.rad2deg(np.arccos(np.clip(cosine[np.isfinite(cosine)], -1, 1)))
        return {'angle, degrees': angle_deg}
    if isinstance(want, ProbabilityMap) and isinstance(got, ProbabilityMap):
        return {'difference of probability': np.abs(want.probability - got.probability).ravel()}
    if isinstance(want, ValueMap) and isinstance(got, ValueMap):
        return {'difference': np.abs(want.values - got.values).ravel()}
    if isinstance(want, Boxes3D) and isinstance(got, Boxes3D):
        return {
            f'boxes found again at IoU {same_iou:g}': found_again(
                confident(want, min_score), got, same_iou
            ),
            'boxes that were there before': found_again(confident(got, min_score), want, same_iou),
        }
    raise TypeError(f'{type(want).__name__} cannot be compared with {type(got).__name__}')


def confident(boxes: Boxes3D, min_score: float) -> Boxes3D:
    return boxes.select(boxes.scores >= min_score)


def found_again(boxes: Boxes3D, among: Boxes3D, same_iou: float = SAME_IOU) -> NDArray[np.bool_]:
    """Returns (N,): whether a box of the same class overlaps by same_iou or more."""
    same = boxes.class_ids[:, None] == among.class_ids
    return np.asarray((same & (iou_3d(boxes, among) >= same_iou)).any(1))


def table(found: dict[str, dict[str, float]]) -> str:
    """Returns the values as a Markdown table."""
    lines = ['| task | | |', '|---|---|---|']
    for task, values in found.items():
        lines += [f'| {task} | {name} | {value:.4g} |' for name, value in values.items()]
    return '\n'.join(lines) + '\n'
