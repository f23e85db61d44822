"""Finds the truth of one image in messages, files or LiDAR."""

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
    TruthError,
    Warn,
    boxes_of,
    true_depth,
    values_of,
)
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.types import Boxes3D, Intrinsics, Result, Scene


@dataclass(slots=True, eq=False)
class Prediction:
    """The results of one image, without its pixels."""

    row: Row
    at_ns: int
    frame_id: str
    camera: Intrinsics | None
    results: Mapping[str, Result]
    truth: dict[str, Any] = field(default_factory=dict)  # task → message

    @classmethod
    def of(cls, scene: Scene, row: Row, at_ns: int) -> Prediction:
        return cls(row, at_ns, scene.frame.frame_id, scene.output_intrinsics, scene.results)

    @property
    def nbytes(self) -> int:
        """Returns three times the size of the maps: the truth may be as large, twice."""
        parts = (getattr(r, name, None) for r in self.results.values() for name in MAPS)
        return 3 * sum(int(part.nbytes) for part in parts if part is not None)


MAPS = ('labels', 'confidence', 'depth_m', 'normals', 'probability', 'values')


class ImageTruth:
    """Provides the truth in the classes of the model and the frame of the image.

    poses, clouds: filled while a recording is read; box_ids: name → id of the model's box classes.
    """

    def __init__(
        self, topics: Topics, spec: ModelSpec, options: EvaluateOptions, warn: Warn
    ) -> None:
        self._topics, self._options, self._warn = topics, options, warn
        self.poses, self.clouds = Poses(), Clouds()
        boxes = spec.tasks.get('boxes3d', {})
        classes = classes_from_options(boxes) if 'classes' in boxes else ()
        self.box_ids = {c.name: c.id for c in classes}

    def of(self, prediction: Prediction, tasks: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Yields task and truth in the order of the sources; reports and leaves out what cannot be
        read."""
        for source in self._topics.sources:
            if source.task not in tasks:
                continue
            try:
                truth = self._truth(source, prediction)
            except (TruthError, ValueError) as error:
                self._warn(str(error))
                continue
            if truth is not None:
                yield source.task, truth

    def _truth(self, source: Source, prediction: Prediction) -> Any:
        """Returns the truth of one task, None if there is none."""
        if source.kind == CLOUD:
            return self._lidar_depth(source, prediction)
        if self._topics.files is not None:
            stamp_ns, max_m = prediction.row.stamp_ns, self._options.depth_max_m
            return self._topics.files.truth(source, stamp_ns, max_m, self.box_ids)
        message = prediction.truth.get(source.task)
        if message is None:
            return None
        if source.task != 'boxes3d':
            return values_of(source, message, self._options.depth_max_m)
        return self._boxes(message, prediction)

    def _boxes(self, message: Any, prediction: Prediction) -> Boxes3D | None:
        boxes, frame_id = (
            boxes_of(message, self.box_ids, self._warn, self._options.classes),
            message.header.frame_id,
        )
        if frame_id.strip('/') == prediction.frame_id.strip('/'):
            return boxes
        pose = self.poses.pose(prediction.frame_id, frame_id, prediction.row.stamp_ns)
        if pose is None:
            self._warn(
                f'TF has no transform from {frame_id!r} to {prediction.frame_id!r}, so the true '
                'boxes in that frame are not scored; record /tf and /tf_static.'
            )
            return None
        return moved(boxes, pose)

    def _lidar_depth(self, source: Source, prediction: Prediction) -> NDArray[np.float32] | None:
        """Returns the depth of the cloud nearest in time, moved by TF to the image's time."""
        stamp_ns, camera = prediction.row.stamp_ns, prediction.camera
        cloud = self.clouds.nearest(stamp_ns)
        if cloud is None or camera is None:
            return None
        frame_id = cloud.frame_id
        pose = self._pose_between(prediction.frame_id, stamp_ns, frame_id, cloud.stamp_ns)
        if pose is None:
            self._warn(
                f'TF has no transform from {frame_id!r} to {prediction.frame_id!r}, so the points '
                f'of {source.topic} are not scored; record /tf and /tf_static.'
            )
            return None
        return true_depth(sparse_depth(cloud.points, pose, camera), self._options.depth_max_m)

    def _pose_between(
        self, target: str, target_ns: int, source: str, source_ns: int
    ) -> NDArray[np.float64] | None:
        """Returns target_from_source at different times, through a fixed frame if TF has one;
        otherwise as if nothing had moved. None where TF has no transform."""
        fixed = self._options.fixed_frame or self.poses.fixed_frame(target)
        if fixed and target_ns != source_ns:
            now = self.poses.pose(fixed, target, target_ns)
            then = self.poses.pose(fixed, source, source_ns)
            if now is not None and then is not None:
                return relative(now, then)
        return self.poses.pose(target, source, target_ns)
