"""Scores of 3D boxes over many images: per class, and by distance over all classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, yaw_of_box
from mtscene_ros.evaluate.scores.calibration import Calibration
from mtscene_ros.evaluate.scores.meters import Scores, State
from mtscene_ros.evaluate.scores.metrics import (
    Detections,
    angle_difference_rad,
    average_precision,
    match_centers,
    mean,
    size_error,
)
from mtscene_ros.types import Boxes3D

CLOSE_RANGE_M, MATCH_M = 40.0, 2.0
EDGES_M = (0.0, 10.0, 20.0, 30.0, 40.0, 60.0)  # of the depth along z


class BoxesMeter:
    """names: classes of the model. Boxes beyond max_m are not scored; a pair's centres lie within
    match_m; min_score: what the node publishes, for recall and precision of single images."""

    def __init__(
        self,
        names: list[str],
        max_m: float = CLOSE_RANGE_M,
        match_m: float = MATCH_M,
        min_score: float = 0.3,
    ) -> None:
        self.names, self.max_m, self.match_m, self.min_score = names, max_m, match_m, min_score
        self.found = {name: Detections() for name in names}

    def update(
        self, boxes: Boxes3D, truth: Boxes3D, demanded: NDArray[np.bool_] | None = None
    ) -> Scores:
        """truth: class_ids are the model's; demanded: (len(truth),) what has to be found, None
        for everything."""
        total = Detections()
        demanded = np.ones(len(truth), bool) if demanded is None else demanded
        for class_id, name in enumerate(self.names):
            here = Detections()
            add_boxes(here, boxes, truth, demanded, class_id, self.max_m, self.match_m)
            self.found[name].extend(here)
            total.extend(here)
        return image_scores(total, self.min_score)

    def state(self) -> State:
        """The samples of each class that has any."""
        return {
            'names': self.names,
            'max_m': self.max_m,
            'match_m': self.match_m,
            'min_score': self.min_score,
            'found': {n: dataclasses.asdict(d) for n, d in self.found.items() if has_any(d)},
        }

    def add(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError where classes or limits are others."""
        theirs = (list(state['names']), state['max_m'], state['match_m'])
        if theirs != (self.names, self.max_m, self.match_m):
            raise ValueError(
                'Sequences with other classes or limits of boxes have no common score.'
            )
        for name, samples in state['found'].items():
            self.found[name].extend(Detections(**samples))

    def scores(self) -> Scores:
        """`CLASS.ap` and so on of classes that occur; map over those; calibration of scores."""
        seen = self.by_class()
        flat = {f'{name}.{score}': v for name, of in seen.items() for score, v in of.items()}
        return {
            'map': self.mean_precision(),
            **flat,
            'ece': self.calibration().ece(),
        }

    def by_class(self) -> dict[str, Scores]:
        """Scores of each class that the truth has."""
        return {name: found.result() for name, found in self.found.items() if found.truths}

    def mean_precision(self) -> float:
        """mAP over the classes that the truth has; NaN where it has none."""
        return mean([of['ap'] for of in self.by_class().values()])

    def calibration(self) -> Calibration:
        """Scores of boxes against whether there was an object."""
        found = Calibration()
        for of_class in self.found.values():
            found.add(np.array(of_class.scores), np.array(of_class.hits, bool))
        return found

    def by_distance(self) -> list[dict[str, Any]]:
        """One row per range of depths that has any boxes, of each class that has truths."""
        return [
            {'class': name, 'from_m': near_m, 'to_m': far_m, **between(found, near_m, far_m)}
            for name, found in self.found.items()
            for near_m, far_m in pairwise(EDGES_M)
            if found.truths and near_m < self.max_m and any_between(found, near_m, far_m)
        ]


def has_any(found: Detections) -> bool:
    return bool(found.truths or found.scores)


def any_between(found: Detections, near_m: float, far_m: float) -> bool:
    return any(near_m < z <= far_m for z in (*found.truth_depths_m, *found.depths_m))


def between(found: Detections, near_m: float, far_m: float) -> dict[str, float]:
    """Scores of what lies there; a prediction by its own depth, a pair by its truth's."""
    seen, true, paired = (
        (np.array(depths) > near_m) & (np.array(depths) <= far_m)
        for depths in (found.depths_m, found.truth_depths_m, found.pair_depths_m)
    )
    truths = int(true.sum())
    hits = np.array(found.hits, bool)[seen]

    def average(values: list[float]) -> float:
        return mean(np.array(values)[paired])

    return {
        'truths': truths,
        'predictions': len(hits),
        'found': int(paired.sum()),
        'ap': average_precision(np.array(found.scores)[seen], hits, truths),
        'distance_m': average(found.distances_m),
        'size_error': average(found.size_errors),
        'yaw_error_deg': float(np.degrees(average(found.yaw_errors_rad))),
    }


def image_scores(found: Detections, min_score: float) -> Scores:
    """Of one image, with the boxes that the node publishes."""
    published = np.array(found.scores) >= min_score
    hits = int(np.array(found.hits, bool)[published].sum())
    nan = float('nan')
    return {
        'truths': float(found.truths),
        'recall': hits / found.truths if found.truths else nan,
        'precision': hits / int(published.sum()) if published.any() else nan,
        'distance_m': mean(found.distances_m),
        'yaw_error_deg': float(np.degrees(mean(found.yaw_errors_rad))),
    }


def add_boxes(
    into: Detections,
    boxes: Boxes3D,
    truth: Boxes3D,
    demanded: NDArray[np.bool_],
    class_id: int,
    max_m: float,
    match_m: float = MATCH_M,
) -> None:
    """Counts the boxes of one class; predictions beyond max_m and those near truths that are not
    demanded (mask over the truths) drop out."""
    mine = (boxes.class_ids == class_id) & (boxes.centers_m[:, 2] <= max_m)
    real = truth.class_ids == class_id
    centers_m = truth.centers_m[real]
    counted = demanded[real] & (centers_m[:, 2] <= max_m)
    scores = boxes.scores[mine]
    matches, ignored = match_centers(boxes.centers_m[mine], scores, centers_m, counted, match_m)
    hit = matches >= 0
    yaw, true_yaw = yaw_rad(boxes)[mine][hit], yaw_rad(truth)[real][matches[hit]]
    gaps_m = np.linalg.norm(boxes.centers_m[mine][hit] - centers_m[matches[hit]], axis=1)
    into.truths += int(counted.sum())
    into.scores += scores[~ignored].tolist()
    into.hits += hit[~ignored].tolist()
    into.yaw_errors_rad += angle_difference_rad(yaw, true_yaw).tolist()
    into.distances_m += gaps_m.tolist()
    sizes_m, true_sizes_m = boxes.sizes_m[mine][hit], truth.sizes_m[real][matches[hit]]
    into.size_errors += size_error(sizes_m, true_sizes_m).tolist()
    into.depths_m += boxes.centers_m[mine][~ignored, 2].tolist()
    into.truth_depths_m += centers_m[counted, 2].tolist()
    into.pair_depths_m += centers_m[matches[hit], 2].tolist()


def yaw_rad(boxes: Boxes3D) -> np.ndarray[Any, np.dtype[np.float64]]:
    return yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw))
