"""One image's results against its truth: scores of the image, sums of all, flicker."""

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
from mtscene_ros.evaluate.truth.truth_messages import Tell, TruthError
from mtscene_ros.types import Boxes3D, DepthMap, LabelMap


class Scoring:
    """Images come in their order."""

    def __init__(
        self,
        judge: Judge,
        truth: ImageTruth,
        options: EvaluateOptions,
        tell: Tell,
        mds: MdsFiles | None = None,
    ) -> None:
        self._judge, self._truth, self._options, self._tell = judge, truth, options, tell
        self._mds = mds
        self._before: tuple[FlickerFrame, Prediction] | None = None
        self._told: set[str] = set()

    def score(self, answer: Prediction) -> None:
        """Into the judge's card and the row of the image."""
        truths: dict[str, Any] = {}
        for task, truth in self._truth.of(answer, answer.results):
            result = answer.results[task]
            try:
                scores = self._judge.score(task, result, truth)
            except (TruthError, ValueError) as error:
                self._tell(str(error))
                continue
            truths[task] = truth
            if self._mds is not None and isinstance(result, Boxes3D) and answer.camera:
                self._mds.add(result, truth, list(self._truth.box_ids), answer.camera)
            answer.row.scores.update({f'{task}.{name}': value for name, value in scores.items()})
        self._flicker(answer, truths)

    def _flicker(self, answer: Prediction, truths: Mapping[str, Any]) -> None:
        """Against the image before."""
        if not isinstance(answer.results.get('semantic'), LabelMap):
            return
        fixed = self._options.fixed_frame or self._truth.poses.fixed_frame(answer.frame_id)
        if not fixed:
            self._once('TF does not say how the camera moves; flicker is not scored.')
            return
        look = self._look(answer, truths)
        before, self._before = self._before, (look, answer) if look else None
        if before is None or look is None:
            return
        last = before[1]
        pose = [self._truth.poses.pose(fixed, a.frame_id, a.row.stamp_ns) for a in (last, answer)]
        if pose[0] is None or pose[1] is None:
            return
        changed, compared = flicker(before[0], look, relative(pose[0], pose[1]))
        self._judge.card.flicker['changed'] += changed
        self._judge.card.flicker['compared'] += compared
        if compared:
            answer.row.scores['semantic.flicker'] = 100 * changed / compared

    def _look(self, answer: Prediction, truths: Mapping[str, Any]) -> FlickerFrame | None:
        labels, depth = answer.results.get('semantic'), answer.results.get('depth')
        true_depth: NDArray[np.float32] | None = truths.get('depth')
        dense = true_depth is not None and np.isfinite(true_depth).mean() > 0.3
        if not isinstance(labels, LabelMap) or answer.camera is None:
            return None
        if dense and true_depth is not None:
            depth_m = true_depth
        elif isinstance(depth, DepthMap):
            depth_m = depth.depth_m
            self._once('Flicker is scored along the predicted depth; there is no dense true one.')
        else:
            return None
        return FlickerFrame(labels.labels, depth_m, answer.camera, truths.get('semantic'))

    def _once(self, sentence: str) -> None:
        """Of the recording, not of each image."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(sentence)
