"""Compares the result of one task with its truth, using the meter of its kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.scores.boundary_meter import EdgeError
from mtscene_ros.evaluate.scores.boxes_meter import EDGES_M
from mtscene_ros.evaluate.scores.calibration import Calibration
from mtscene_ros.evaluate.scores.meters import Scores
from mtscene_ros.evaluate.scores.scorecard import METERS, Scorecard
from mtscene_ros.evaluate.truth.truth_messages import Source, TruthError
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.types import (
    Boxes3D,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    SemanticClass,
    ValueMap,
)


class Judge:
    """Scores results into a Scorecard; creates the meter of a task when it is first scored."""

    def __init__(
        self, spec: ModelSpec, options: EvaluateOptions, sources: Iterable[Source] = ()
    ) -> None:
        self.card, self._spec, self._options = Scorecard(), spec, options
        self._matches = {s.task: s.match for s in sources if s.match is not None}

    def score(self, task: str, result: Result, truth: Any) -> Scores:
        """Returns the scores of one image. Raises TruthError.

        truth: as truth_messages.values_of or truth_messages.boxes_of return it.
        """
        if isinstance(result, Boxes3D):
            return self._counted(task, 'boxes', result, truth)
        if isinstance(result, LabelMap):
            fits(result.labels.shape, truth.shape, task)
            match, labels = self._matches.get(task), result.labels
            if match is not None and labels.dtype == np.uint8:
                labels = match.merged[labels]
            found = self._counted(task, 'labels', labels, truth)
            calibration = self.card.calibrations.setdefault(task, Calibration())
            ece = calibration.add_labels(labels, result.confidence, truth)
            return found | {'ece': ece}
        kind, values = dense(task, result)
        fits(values.shape, truth.shape, task)
        return self._counted(task, kind, values, truth)

    def _counted(self, task: str, kind: str, prediction: Any, truth: Any) -> Scores:
        if task not in self.card.meters:
            self.card.meters[task] = kind, METERS[kind](self._blank(task, kind))
        try:
            found = self.card.meters[task][1].update(prediction, truth)
        except EdgeError as error:
            del self.card.meters[task]
            raise TruthError(str(error)) from error
        self.card.seen(task)
        return found

    def _classes(self, task: str) -> tuple[SemanticClass, ...]:
        """Returns the model's classes, () if the task has none or is not there."""
        options = self._spec.tasks.get(task, {})
        return classes_from_options(options) if 'classes' in options else ()

    def _blank(self, task: str, kind: str) -> dict[str, Any]:
        """Returns the state of an empty meter."""
        options, match = self._options, self._matches.get(task)
        inner = [edge for edge in EDGES_M if edge < options.depth_max_m]
        return {
            'names': [c.name for c in self._classes(task)],
            'scored': None if match is None else match.scored,
            'edges_m': [*inner, options.depth_max_m],
            'max_m': options.boxes_max_m,
            'match_m': options.match_m,
            'min_score': options.min_score,
            'max_dist': 0.0075,
        }


def dense(task: str, result: Result) -> tuple[str, Any]:
    """Returns the kind of meter and the values; unknown normals become 0."""
    if isinstance(result, DepthMap):
        return 'depth', result.depth_m
    if isinstance(result, NormalMap):
        return 'normals', np.nan_to_num(result.normals)
    if isinstance(result, ProbabilityMap):
        return task, result.probability
    assert isinstance(result, ValueMap)
    return 'values', result.values


def fits(got: tuple[int, ...], want: tuple[int, ...], task: str) -> None:
    """Raises TruthError if truth and prediction differ in size."""
    if got != want:
        sizes = [f'{shape[1]}x{shape[0]}' for shape in (want, got)]
        raise TruthError(
            f'The truth of {task} has {sizes[0]} pixels, the prediction {sizes[1]}; record the '
            "truth at the image's size."
        )
