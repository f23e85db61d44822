"""One image's results against its truth, in the model's classes and the image's frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import moved, relative
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.scores.flicker import FlickerFrame, flicker
from mtscene_ros.evaluate.scores.frame_table import Row
from mtscene_ros.evaluate.scores.judge import Judge
from mtscene_ros.evaluate.scores.mds import MdsFiles
from mtscene_ros.evaluate.truth.lidar import Clouds, sparse_depth
from mtscene_ros.evaluate.truth.poses import Poses
from mtscene_ros.evaluate.truth.topics import Topics
from mtscene_ros.evaluate.truth.truth_messages import (
    CLOUD,
    Source,
    Tell,
    TruthError,
    boxes_of,
    true_depth,
    values_of,
)
from mtscene_ros.types import Boxes3D, DepthMap, Intrinsics, LabelMap, Result, Scene


@dataclass(slots=True, eq=False)
class Prediction:
    """Results of one image, without its pixels."""

    row: Row
    at_ns: int
    frame_id: str
    camera: Intrinsics | None
    results: Mapping[str, Result]
    truth: dict[str, Any] = field(default_factory=dict)  # task → its message

    @classmethod
    def of(cls, scene: Scene, row: Row, at_ns: int) -> Prediction:
        return cls(row, at_ns, scene.frame.frame_id, scene.output_intrinsics, scene.results)

    @property
    def nbytes(self) -> int:
        """Of the maps, three times: the truth may be as large, twice."""
        parts = (getattr(r, name, None) for r in self.results.values() for name in MAPS)
        return 3 * sum(int(part.nbytes) for part in parts if part is not None)


MAPS = ('labels', 'confidence', 'depth_m', 'normals', 'probability', 'values')


class Scoring:
    """Images come in their order. poses, clouds: filled while the recording is read."""

    def __init__(
        self,
        topics: Topics,
        judge: Judge,
        options: EvaluateOptions,
        tell: Tell,
        mds: MdsFiles | None,
    ) -> None:
        self._topics, self._judge, self._options, self._tell = topics, judge, options, tell
        self._mds = mds
        self.poses, self.clouds = Poses(), Clouds()
        self._before: tuple[FlickerFrame, Prediction] | None = None
        self._box_ids = {c.name: c.id for c in judge.classes('boxes3d')}
        self._told: set[str] = set()

    def score(self, answer: Prediction) -> None:
        """Into the judge's card and the row of the image."""
        truths: dict[str, Any] = {}
        for source in self._topics.sources:
            if source.task not in answer.results:
                continue
            try:
                truth = self._truth(source, answer)
                if truth is None:
                    continue
                result = answer.results[source.task]
                scores = self._judge.score(source.task, result, truth)
            except (TruthError, ValueError) as error:
                self._tell(str(error))
                continue
            truths[source.task] = truth
            if self._mds is not None and isinstance(result, Boxes3D) and answer.camera:
                self._mds.add(result, truth, list(self._box_ids), answer.camera)
            named = {f'{source.task}.{name}': value for name, value in scores.items()}
            answer.row.scores.update(named)
        self._flicker(answer, truths)

    def _truth(self, source: Source, answer: Prediction) -> Any:
        """In the model's classes and the image's frame; None where there is none."""
        if source.kind == CLOUD:
            return self._lidar_depth(source, answer)
        if self._topics.files is not None:
            stamp_ns, max_m = answer.row.stamp_ns, self._options.depth_max_m
            return self._topics.files.truth(source, stamp_ns, max_m, self._box_ids)
        message = answer.truth.get(source.task)
        if message is None:
            return None
        if source.task != 'boxes3d':
            return values_of(source, message, self._options.depth_max_m)
        return self._boxes(message, answer)

    def _boxes(self, message: Any, answer: Prediction) -> Boxes3D | None:
        boxes, frame_id = boxes_of(message, self._box_ids, self._tell), message.header.frame_id
        if frame_id.strip('/') == answer.frame_id.strip('/'):
            return boxes
        pose = self.poses.pose(answer.frame_id, frame_id, answer.row.stamp_ns)
        if pose is None:
            self._tell(
                f'TF knows no way from {frame_id!r} to {answer.frame_id!r}; true boxes there are '
                'not scored.'
            )
            return None
        return moved(boxes, pose)

    def _lidar_depth(self, source: Source, answer: Prediction) -> NDArray[np.float32] | None:
        """From the cloud that is nearest in time, moved by TF to the image's time."""
        stamp_ns, camera = answer.row.stamp_ns, answer.camera
        cloud = self.clouds.nearest(stamp_ns)
        if cloud is None or camera is None:
            return None
        frame_id = cloud.frame_id
        pose = self._pose_between(answer.frame_id, stamp_ns, frame_id, cloud.stamp_ns)
        if pose is None:
            self._tell(
                f'TF knows no way from {frame_id!r} to {answer.frame_id!r}; the points of '
                f'{source.topic} are not scored.'
            )
            return None
        return true_depth(sparse_depth(cloud.points, pose, camera), self._options.depth_max_m)

    def _pose_between(
        self, target: str, target_ns: int, source: str, source_ns: int
    ) -> NDArray[np.float64] | None:
        """target_from_source at different times, through a frame that stands still, if TF has
        one; otherwise as if nothing had moved."""
        fixed = self._options.fixed_frame or self.poses.fixed_frame(target)
        if fixed and target_ns != source_ns:
            now = self.poses.pose(fixed, target, target_ns)
            then = self.poses.pose(fixed, source, source_ns)
            if now is not None and then is not None:
                return relative(now, then)
        return self.poses.pose(target, source, target_ns)

    def _flicker(self, answer: Prediction, truths: Mapping[str, Any]) -> None:
        """Against the image before."""
        if not isinstance(answer.results.get('semantic'), LabelMap):
            return
        fixed = self._options.fixed_frame or self.poses.fixed_frame(answer.frame_id)
        if not fixed:
            self._once('TF does not say how the camera moves; flicker is not scored.')
            return
        look = self._look(answer, truths)
        before, self._before = self._before, (look, answer) if look else None
        if before is None or look is None:
            return
        last = before[1]
        pose = [self.poses.pose(fixed, a.frame_id, a.row.stamp_ns) for a in (last, answer)]
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
