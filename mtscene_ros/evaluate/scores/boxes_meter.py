"""Scores 3D boxes over many images: per class, and per class and range of distances."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, yaw_of_box
from mtscene_ros.evaluate.scores.calibration import Calibration
from mtscene_ros.evaluate.scores.meters import Scores, State, ratio
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
EDGES_M = (0.0, 10.0, 20.0, 30.0, 40.0, 60.0)  # edges of the ranges of depth along optical z


class BoxesMeter:
    """Sums the scores of 3D boxes.

    names: classes of the model; max_m: boxes beyond it are not scored; match_m: the greatest
    distance between the centres of a pair; min_score: the score from which the node publishes
    boxes, used for recall and precision of single images.
    """

    def __init__(
        self,
        names: list[str],
        max_m: float = CLOSE_RANGE_M,
        match_m: float = MATCH_M,
        min_score: float = 0.3,
    ) -> None:
        self.names, self.max_m, self.match_m, self.min_score = names, max_m, match_m, min_score
        self.found = {name: Detections() for name in names}
        self.images = 0

    def update(
        self, boxes: Boxes3D, truth: Boxes3D, required: NDArray[np.bool_] | None = None
    ) -> Scores:
        """Adds one image. truth: with class_ids of the model; required: (len(truth),) which boxes
        have to be found, None for all."""
        total = Detections()
        self.images += 1
        required = np.ones(len(truth), bool) if required is None else required
        for class_id, name in enumerate(self.names):
            here = Detections()
            add_boxes(here, boxes, truth, required, class_id, self.max_m, self.match_m)
            self.found[name].extend(here)
            total.extend(here)
        return image_scores(total, self.min_score)

    def state(self) -> State:
        """Returns the samples of each class that has any."""
        return {
            'names': self.names,
            'max_m': self.max_m,
            'match_m': self.match_m,
            'min_score': self.min_score,
            'images': self.images,
            'found': {n: dataclasses.asdict(d) for n, d in self.found.items() if has_any(d)},
        }

    def add(self, state: Mapping[str, Any]) -> None:
        """Adds the samples of another meter. Raises ValueError if its classes or limits differ."""
        theirs = (list(state['names']), state['max_m'], state['match_m'])
        if theirs != (self.names, self.max_m, self.match_m):
            raise ValueError(
                'Sequences whose boxes have different classes or limits have no common score; '
                'evaluate them with the same model and options.'
            )
        self.images += int(state.get('images', 0))
        for name, samples in state['found'].items():
            self.found[name].extend(Detections(**samples))

    def scores(self) -> Scores:
        """Returns `CLASS.ap` and so on for the classes that the truth has, `map` over these, and
        `ece`, the calibration of the scores; see also `false_boxes`."""
        seen = self.by_class()
        flat = {f'{name}.{score}': v for name, of in seen.items() for score, v in of.items()}
        return {
            'map': self.mean_precision(),
            **flat,
            **self.false_boxes(),
            'ece': self.calibration().ece(),
        }

    def by_class(self) -> dict[str, Scores]:
        """Returns the scores of each class that the truth has."""
        return {name: found.result() for name, found in self.found.items() if found.truths}

    def false_boxes(self) -> Scores:
        """Returns the published boxes without an object per image: of all classes, and `CLASS.…`
        for each class that the truth does not have, which no average precision shows."""
        wrong = {
            name: sum(
                score >= self.min_score and not hit
                for score, hit in zip(of.scores, of.hits, strict=True)
            )
            for name, of in self.found.items()
        }
        found = {
            f'{name}.false_per_image': ratio(count, self.images)
            for name, count in wrong.items()
            if count and not self.found[name].truths
        }
        return {'false_per_image': ratio(sum(wrong.values()), self.images), **found}

    def mean_precision(self) -> float:
        """Returns mAP over the classes that the truth has; NaN if it has none."""
        return mean([of['ap'] for of in self.by_class().values()])

    def calibration(self) -> Calibration:
        """Returns how well the scores of boxes predict whether there is an object."""
        found = Calibration()
        for of_class in self.found.values():
            found.add(np.array(of_class.scores), np.array(of_class.hits, bool))
        return found

    def by_distance(self) -> list[dict[str, Any]]:
        """Returns a row for each class that has truths and each range of depths that has boxes."""
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
    """Scores one range of depths; predictions count by their own depth, pairs by that of their
    truth."""
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
    """Returns the scores of one image, counting the boxes that the node publishes."""
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
    required: NDArray[np.bool_],
    class_id: int,
    max_m: float,
    match_m: float = MATCH_M,
) -> None:
    """Counts the boxes of one class.

    required: (len(truth),) which truths have to be found. Predictions beyond max_m, and unmatched
    ones near a truth that is not required, are left out.
    """
    mine = (boxes.class_ids == class_id) & (boxes.centers_m[:, 2] <= max_m)
    real = truth.class_ids == class_id
    centers_m = truth.centers_m[real]
    counted = required[real] & (centers_m[:, 2] <= max_m)
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
