"""The truth of one image, from messages, files or LiDAR."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import moved, relative
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.scores.frame_table import Row
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
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.types import Boxes3D, Intrinsics, Result, Scene


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


class ImageTruth:
    """Truth in the model's classes and the image's frame. poses, clouds: filled while a recording
    is read; box_ids: of the model's classes of boxes, by name."""

    def __init__(
        self, topics: Topics, spec: ModelSpec, options: EvaluateOptions, tell: Tell
    ) -> None:
        self._topics, self._options, self._tell = topics, options, tell
        self.poses, self.clouds = Poses(), Clouds()
        boxes = spec.tasks.get('boxes3d', {})
        classes = classes_from_options(boxes) if 'classes' in boxes else ()
        self.box_ids = {c.name: c.id for c in classes}

    def of(self, answer: Prediction, tasks: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Task and truth, in the order of the sources; what cannot be read is reported and left
        out."""
        for source in self._topics.sources:
            if source.task not in tasks:
                continue
            try:
                truth = self._truth(source, answer)
            except (TruthError, ValueError) as error:
                self._tell(str(error))
                continue
            if truth is not None:
                yield source.task, truth

    def _truth(self, source: Source, answer: Prediction) -> Any:
        """None where there is none."""
        if source.kind == CLOUD:
            return self._lidar_depth(source, answer)
        if self._topics.files is not None:
            stamp_ns, max_m = answer.row.stamp_ns, self._options.depth_max_m
            return self._topics.files.truth(source, stamp_ns, max_m, self.box_ids)
        message = answer.truth.get(source.task)
        if message is None:
            return None
        if source.task != 'boxes3d':
            return values_of(source, message, self._options.depth_max_m)
        return self._boxes(message, answer)

    def _boxes(self, message: Any, answer: Prediction) -> Boxes3D | None:
        boxes, frame_id = boxes_of(message, self.box_ids, self._tell), message.header.frame_id
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
