"""Scores the results of each image against its truth, and the flicker between images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import relative
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.scores.flicker import FlickerFrame, flicker
from mtscene_ros.evaluate.scores.image_truth import ImageTruth, Prediction
from mtscene_ros.evaluate.scores.judge import Judge
from mtscene_ros.evaluate.scores.mds import MdsFiles
from mtscene_ros.evaluate.truth.truth_messages import TruthError, Warn
from mtscene_ros.types import Boxes3D, DepthMap, LabelMap


class Scoring:
    """Scores predictions, which must arrive in the order of the images."""

    def __init__(
        self,
        judge: Judge,
        truth: ImageTruth,
        options: EvaluateOptions,
        warn: Warn,
        mds: MdsFiles | None = None,
    ) -> None:
        self._judge, self._truth, self._options, self._warn = judge, truth, options, warn
        self._mds = mds
        self._before: tuple[FlickerFrame, Prediction] | None = None
        self._reported: set[str] = set()

    def score(self, prediction: Prediction) -> None:
        """Adds the scores to the judge's card and to the row of the image."""
        truths: dict[str, Any] = {}
        for task, truth in self._truth.of(prediction, prediction.results):
            result = prediction.results[task]
            try:
                scores = self._judge.score(task, result, truth)
            except (TruthError, ValueError) as error:
                self._warn(str(error))
                continue
            truths[task] = truth
            if self._mds is not None and isinstance(result, Boxes3D) and prediction.camera:
                self._mds.add(result, truth, list(self._truth.box_ids), prediction.camera)
            prediction.row.scores.update(
                {f'{task}.{name}': value for name, value in scores.items()}
            )
        self._flicker(prediction, truths)

    def _flicker(self, prediction: Prediction, truths: Mapping[str, Any]) -> None:
        """Compares the labels with those of the previous image."""
        if not isinstance(prediction.results.get('semantic'), LabelMap):
            return
        fixed = self._options.fixed_frame or self._truth.poses.fixed_frame(prediction.frame_id)
        if not fixed:
            self._once(
                'The recording has no TF for the motion of the camera, so flicker is not scored; '
                'record /tf and /tf_static.'
            )
            return
        look = self._look(prediction, truths)
        before, self._before = self._before, (look, prediction) if look else None
        if before is None or look is None:
            return
        last = before[1]
        pose = [
            self._truth.poses.pose(fixed, a.frame_id, a.row.stamp_ns) for a in (last, prediction)
        ]
        if pose[0] is None or pose[1] is None:
            return
        changed, compared = flicker(before[0], look, relative(pose[0], pose[1]))
        self._judge.card.flicker['changed'] += changed
        self._judge.card.flicker['compared'] += compared
        if compared:
            prediction.row.scores['semantic.flicker'] = 100 * changed / compared

    def _look(self, prediction: Prediction, truths: Mapping[str, Any]) -> FlickerFrame | None:
        labels, depth = prediction.results.get('semantic'), prediction.results.get('depth')
        true_depth: NDArray[np.float32] | None = truths.get('depth')
        dense = true_depth is not None and np.isfinite(true_depth).mean() > 0.3
        if not isinstance(labels, LabelMap) or prediction.camera is None:
            return None
        if dense and true_depth is not None:
            depth_m = true_depth
        elif isinstance(depth, DepthMap):
            depth_m = depth.depth_m
            self._once(
                'There is no dense true depth, so flicker is scored with the predicted depth.'
            )
        else:
            return None
        return FlickerFrame(labels.labels, depth_m, prediction.camera, truths.get('semantic'))

    def _once(self, sentence: str) -> None:
        """Reports the sentence once per recording, not for each image."""
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._warn(sentence)
