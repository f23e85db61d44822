"""Results wait until the truth of their stamp has come, and for TF and LiDAR around it; then they
are scored, in the order of the images."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from mtscene_ros.evaluate.flicker import Look, flicker
from mtscene_ros.evaluate.frames import Row
from mtscene_ros.evaluate.judge import Judge
from mtscene_ros.evaluate.lidar import CloudError, points_of, sparse_depth
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.poses import Poses
from mtscene_ros.evaluate.topics import Topics
from mtscene_ros.evaluate.truth import (
    CLOUD,
    Source,
    Tell,
    TruthError,
    boxes_of,
    true_depth,
    values_of,
)
from mtscene_ros.geometry import moved, relative
from mtscene_ros.report_data import stamp_ns_of
from mtscene_ros.types import Boxes3D, DepthMap, Intrinsics, LabelMap, Result, Scene

HOLD_NS = 10**9  # of recorded time, between an image and its truth
HELD_BYTES = 256 << 20
CLOUD_GAP_NS = 50_000_000  # between an image and the LiDAR's points


@dataclass(slots=True, eq=False)
class Answer:
    """Results of one image, without its pixels."""

    row: Row
    at_ns: int
    frame_id: str
    camera: Intrinsics | None
    results: Mapping[str, Result]
    truth: dict[str, Any] = field(default_factory=dict)  # task → its message

    @classmethod
    def of(cls, scene: Scene, row: Row, at_ns: int) -> Answer:
        return cls(row, at_ns, scene.frame.frame_id, scene.output_intrinsics, scene.results)

    @property
    def nbytes(self) -> int:
        """Of the maps, three times: the truth may be as large, twice."""
        parts = (getattr(r, name, None) for r in self.results.values() for name in MAPS)
        return 3 * sum(int(part.nbytes) for part in parts if part is not None)


MAPS = ('labels', 'confidence', 'depth_m', 'normals', 'probability', 'values')


@dataclass(slots=True)
class Seen:
    """Messages of one topic of truth: how many, of them with the stamp of an image, and how far
    the nearest other one was away."""

    messages: int = 0
    matched: int = 0
    last_ns: int | None = None
    nearest_ns: int | None = None

    def near(self, image_ns: int | None) -> None:
        """Of the last message and the last image."""
        if self.last_ns is not None and image_ns is not None:
            gap_ns = abs(self.last_ns - image_ns)
            self.nearest_ns = min(gap_ns, self.nearest_ns or gap_ns)


class Alignment:
    """Grows with what is held only: HOLD_NS of recorded time, HELD_BYTES of results."""

    def __init__(
        self,
        reader: AnyReader,
        topics: Topics,
        judge: Judge,
        options: EvaluateOptions,
        tell: Tell,
    ) -> None:
        self._reader, self._topics, self._judge = reader, topics, judge
        self._options, self._tell = options, tell
        self._sources = {source.topic: source for source in topics.sources if source.topic}
        self._poses = Poses()
        self._held: deque[Answer] = deque()
        self._early: deque[tuple[int, int, Source, Any]] = deque()  # at_ns, stamp, source, message
        self._clouds: deque[tuple[int, int, str, NDArray[np.float32]]] = deque()
        self._seen = {topic: Seen() for topic in self._sources}
        self._before: tuple[Look, Answer] | None = None
        boxes = judge.classes('boxes3d')
        self._box_ids = {c.name: c.id for c in boxes}
        self._last_image_ns: int | None = None
        self._told: set[str] = set()

    # -- what comes in -----------------------------------------------------------------------

    def message(self, topic: str, kind: str, raw: Any, at_ns: int) -> None:
        """Of TF or truth."""
        try:
            message: Any = self._reader.deserialize(raw, kind)
        except Exception as error:  # a damaged message must not end the recording
            self._tell(f'A message of {topic} cannot be read ({error}).')
            return
        if topic in self._topics.tf:
            self._poses.add(message.transforms, is_static=self._topics.tf[topic])
            return
        source, stamp_ns = self._sources[topic], stamp_ns_of(self._reader, raw)
        if source.kind == CLOUD:
            self._cloud(message, stamp_ns, at_ns)
        else:
            self._match(source, message, stamp_ns, at_ns)

    def answer(self, answer: Answer) -> None:
        """Results of the next image."""
        stamp_ns = self._last_image_ns = answer.row.stamp_ns
        for seen in self._seen.values():
            seen.near(stamp_ns)
        for _, early_ns, source, message in self._early:
            if early_ns == stamp_ns:
                self._give(answer, source, message)
        self._held.append(answer)
        self._retire(answer.at_ns)

    def finish(self) -> None:
        """Scores everything that is held."""
        while self._held:
            self._score(self._held.popleft())

    def _match(self, source: Source, message: Any, stamp_ns: int, at_ns: int) -> None:
        seen = self._seen[source.topic]
        seen.messages += 1
        for answer in self._held:
            if answer.row.stamp_ns == stamp_ns:
                self._give(answer, source, message)
        seen.last_ns = stamp_ns
        seen.near(self._last_image_ns)
        self._early.append((at_ns, stamp_ns, source, message))
        while len(self._early) > 1 and at_ns - self._early[0][0] > HOLD_NS:
            self._early.popleft()

    def _give(self, answer: Answer, source: Source, message: Any) -> None:
        if source.task not in answer.truth:
            self._seen[source.topic].matched += 1
        answer.truth[source.task] = message

    def _cloud(self, message: Any, stamp_ns: int, at_ns: int) -> None:
        self._seen[next(t for t, s in self._sources.items() if s.kind == CLOUD)].messages += 1
        try:
            points = points_of(message)
        except (CloudError, KeyError, ValueError) as error:
            self._tell(str(error))
            return
        self._clouds.append((at_ns, stamp_ns, message.header.frame_id, points))
        while at_ns - self._clouds[0][0] > 2 * HOLD_NS:
            self._clouds.popleft()

    def _retire(self, now_ns: int) -> None:
        held = sum(answer.nbytes for answer in self._held)
        while self._held and (now_ns - self._held[0].at_ns > HOLD_NS or held > HELD_BYTES):
            held -= self._held[0].nbytes
            self._score(self._held.popleft())

    # -- what is said about it ---------------------------------------------------------------

    def _score(self, answer: Answer) -> None:
        truths: dict[str, Any] = {}
        for source in self._topics.sources:
            if source.task not in answer.results:
                continue
            try:
                truth = self._truth(source, answer)
                if truth is None:
                    continue
                result = answer.results[source.task]
                scores = self._judge.score(source.task, result, truth, answer.camera)
            except (TruthError, ValueError) as error:
                self._tell(str(error))
                continue
            truths[source.task] = truth
            named = {f'{source.task}.{name}': value for name, value in scores.items()}
            answer.row.scores.update(named)
        self._flicker(answer, truths)

    def _truth(self, source: Source, answer: Answer) -> Any:
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

    def _boxes(self, message: Any, answer: Answer) -> Boxes3D | None:
        boxes, frame_id = boxes_of(message, self._box_ids, self._tell), message.header.frame_id
        if frame_id.strip('/') == answer.frame_id.strip('/'):
            return boxes
        pose = self._poses.pose(answer.frame_id, frame_id, answer.row.stamp_ns)
        if pose is None:
            self._tell(
                f'TF knows no way from {frame_id!r} to {answer.frame_id!r}; true boxes there are '
                'not scored.'
            )
            return None
        return moved(boxes, pose)

    def _lidar_depth(self, source: Source, answer: Answer) -> NDArray[np.float32] | None:
        """From the cloud that is nearest in time, moved by TF to the image's time."""
        stamp_ns, camera = answer.row.stamp_ns, answer.camera
        near = [c for c in self._clouds if abs(c[1] - stamp_ns) <= CLOUD_GAP_NS]
        if not near or camera is None:
            return None
        _, cloud_ns, frame_id, points = min(near, key=lambda c: abs(c[1] - stamp_ns))
        pose = self._pose_between(answer.frame_id, stamp_ns, frame_id, cloud_ns)
        if pose is None:
            self._tell(
                f'TF knows no way from {frame_id!r} to {answer.frame_id!r}; the points of '
                f'{source.topic} are not scored.'
            )
            return None
        self._seen[source.topic].matched += 1
        return true_depth(sparse_depth(points, pose, camera), self._options.depth_max_m)

    def _pose_between(
        self, target: str, target_ns: int, source: str, source_ns: int
    ) -> NDArray[np.float64] | None:
        """target_from_source at different times, through a frame that stands still, if TF has
        one; otherwise as if nothing had moved."""
        fixed = self._options.fixed_frame or self._poses.fixed_frame(target)
        if fixed and target_ns != source_ns:
            now = self._poses.pose(fixed, target, target_ns)
            then = self._poses.pose(fixed, source, source_ns)
            if now is not None and then is not None:
                return relative(now, then)
        return self._poses.pose(target, source, target_ns)

    def _flicker(self, answer: Answer, truths: Mapping[str, Any]) -> None:
        """Against the image before."""
        if not isinstance(answer.results.get('semantic'), LabelMap):
            return
        fixed = self._options.fixed_frame or self._poses.fixed_frame(answer.frame_id)
        if not fixed:
            self._once('TF does not say how the camera moves; flicker is not scored.')
            return
        look = self._look(answer, truths)
        before, self._before = self._before, (look, answer) if look else None
        if before is None or look is None:
            return
        last = before[1]
        pose = [self._poses.pose(fixed, a.frame_id, a.row.stamp_ns) for a in (last, answer)]
        if pose[0] is None or pose[1] is None:
            return
        changed, compared = flicker(before[0], look, relative(pose[0], pose[1]))
        self._judge.card.flicker['changed'] += changed
        self._judge.card.flicker['compared'] += compared
        if compared:
            answer.row.scores['semantic.flicker'] = 100 * changed / compared

    def _look(self, answer: Answer, truths: Mapping[str, Any]) -> Look | None:
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
        return Look(labels.labels, depth_m, answer.camera, truths.get('semantic'))

    def _once(self, sentence: str) -> None:
        """Of the recording, not of each image."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(sentence)

    def tell_what_is_missing(self) -> None:
        """Topics of truth that have messages, none of which belongs to an image."""
        for topic, seen in self._seen.items():
            if not seen.messages or seen.matched:
                continue
            far = (
                ''
                if seen.nearest_ns is None
                else f' (the nearest is {seen.nearest_ns / 1e9:.3g} s off)'
            )
            self._tell(
                f'No message of {topic} carries the stamp of an image{far}: their clocks differ; '
                "give the truth the image's own stamp."
            )
