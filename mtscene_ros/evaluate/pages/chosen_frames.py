"""Reads chosen frames of an evaluated recording.

Images and truth come from the recording, predictions from predictions.mcap. Only the parts around
the frames are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from mtscene_ros.camera.camera_frames import CameraFrames
from mtscene_ros.camera.draw import resized, shown_shape
from mtscene_ros.camera.outputs import NAMED_TASKS, result_topic
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.pages.pictures import SPARSE
from mtscene_ros.evaluate.run.job import options_of
from mtscene_ros.evaluate.run.predictions import KEPT_WIDTH_PX
from mtscene_ros.evaluate.run.report_folder import PREDICTIONS, SequenceReport
from mtscene_ros.evaluate.scores.alignment import HOLD_NS, Alignment
from mtscene_ros.evaluate.scores.frame_table import Row
from mtscene_ros.evaluate.scores.image_truth import ImageTruth, Prediction
from mtscene_ros.evaluate.truth.topics import Topics, topics_of
from mtscene_ros.evaluate.truth.truth_messages import CLOUD, plane
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.class_names import color_of
from mtscene_ros.recordings.node_results import ShownFrame, result_of, stamp_ns_of
from mtscene_ros.types import (
    UNLABELED,
    Boxes3D,
    CameraFrame,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    Scene,
    SemanticClass,
    ValueMap,
)

Key = tuple[str, int]  # camera, stamp in nanoseconds


@dataclass(slots=True, eq=False)
class FrameParts:
    """One frame while it is assembled; at_ns: when it was recorded."""

    at_ns: int = 0
    results: dict[str, Result] = field(default_factory=dict)
    truth: dict[str, Result] = field(default_factory=dict)
    frame: CameraFrame | None = None


def shown_frames(of: SequenceReport, wanted: set[Key]) -> Iterator[tuple[Key, ShownFrame]]:
    """Yields the wanted frames that recording and predictions have, in the order of recording.

    Raises BagError.
    """
    if not wanted:
        return
    options, spec = options_of(of.folder)
    keys = {stamp_ns: (camera, stamp_ns) for camera, stamp_ns in wanted}
    options = replace(options, image_topic=next(iter(keys.values()))[0])
    seen = predicted(of.folder / PREDICTIONS, spec, options, set(keys))
    with open_bag(of.bag) as bag:
        topics = topics_of(bag, spec, options, lambda sentence: None)
        if topics.by_order:  # stamps do not tell frames apart
            return
        for together in neighbours(seen):
            read_again(bag, topics, spec, options, together)
            for stamp_ns, one in together.items():
                if one.frame is not None:
                    yield keys[stamp_ns], ShownFrame(Scene(one.frame, one.results), one.truth)


def neighbours(seen: Mapping[int, FrameParts]) -> Iterator[dict[int, FrameParts]]:
    """Groups frames that are close in time, so that each part of the recording is read once."""
    together: dict[int, FrameParts] = {}
    last_ns = 0
    for stamp_ns, one in sorted(seen.items(), key=lambda item: item[1].at_ns):
        if together and one.at_ns - last_ns > 2 * HOLD_NS:
            yield together
            together = {}
        together[stamp_ns], last_ns = one, one.at_ns
    if together:
        yield together


# -- predictions ---------------------------------------------------------------------------------


def predicted(
    path: Path, spec: ModelSpec, options: EvaluateOptions, stamps: set[int]
) -> dict[int, FrameParts]:
    """Returns stamp → results, with maps at most KEPT_WIDTH_PX wide. Raises BagError."""
    tasks = {f'{options.node}/{result_topic(task)}': task for task in spec.tasks}
    seen: dict[int, FrameParts] = {}
    with open_bag(path) as bag:
        connections = [c for c in bag.connections if c.topic in tasks]
        for c, at_ns, raw in bag.messages(connections) if connections else ():
            stamp_ns = stamp_ns_of(bag, raw)
            if stamp_ns not in stamps:
                continue
            one = seen.setdefault(stamp_ns, FrameParts(at_ns))
            message, task = bag.deserialize(raw, c.msgtype), tasks[c.topic]
            if task == 'boxes3d':
                one.results[task] = result_of(task, message, ())
            else:
                one.results[task] = map_of(task, spec, narrowed(plane(message)))
    return seen


def narrowed(values: NDArray[Any]) -> NDArray[Any]:
    height, width = shown_shape(values.shape, KEPT_WIDTH_PX)
    if values.shape[0] <= height:
        return values
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST_EXACT))


def narrow_frame(frame: CameraFrame) -> CameraFrame:
    shape, camera = shown_shape(frame.rgb.shape, KEPT_WIDTH_PX), frame.intrinsics
    if frame.rgb.shape[0] <= shape[0]:
        return frame
    rgb = resized(frame.rgb, shape)
    return replace(frame, rgb=rgb, intrinsics=camera and camera.resized(*shape[::-1]))


def map_of(task: str, spec: ModelSpec, values: NDArray[Any], is_truth: bool = False) -> Result:
    """Converts a map of predictions.mcap, or of truth_messages.values_of, to a result."""
    if 'classes' in spec.tasks[task]:
        labels = values.astype(np.uint8)
        return LabelMap(labels, np.full_like(labels, 255), classes_of_task(spec, task))
    if task == 'depth':
        return DepthMap(values.astype(np.float32))
    if task == 'normals':
        normals = values.astype(np.float32)
        return NormalMap(np.where(abs(normals).max(2, keepdims=True) > 0, normals, np.nan))
    if (
        task in NAMED_TASKS
    ):  # boundary and saliency are 0 to 255, their truth 0, 1 or 255 (unknown)
        share = values.astype(np.float32) / (1 if is_truth or values.dtype.kind == 'f' else 255)
        return ProbabilityMap(np.where(share == UNLABELED, np.float32(np.nan), share))
    return ValueMap(values.astype(np.float32))


def classes_of_task(spec: ModelSpec, task: str) -> tuple[SemanticClass, ...]:
    """Returns the classes of a task with the colours of the tables."""
    found = classes_from_options(spec.tasks[task])
    return tuple(SemanticClass(c.id, c.name, color_of(c.id, c.name)) for c in found)


# -- image and truth -----------------------------------------------------------------------------


def truth_of(task: str, spec: ModelSpec, truth: Any) -> Result:
    """Converts the truth of one image, as ImageTruth returns it, to a result."""
    if isinstance(truth, Boxes3D):
        return replace(truth, classes=classes_of_task(spec, task))
    is_sparse = task == 'depth' and np.isfinite(truth).mean() < SPARSE
    kept = truth if is_sparse else narrowed(truth)  # because narrowing would lose points
    return map_of(task, spec, kept, is_truth=True)


def read_again(
    bag: AnyReader,
    topics: Topics,
    spec: ModelSpec,
    options: EvaluateOptions,
    seen: Mapping[int, FrameParts],
) -> None:
    """Adds image and truth to the frames, from the part of the recording around them."""
    frames = CameraFrames('', topics.info, options.input_is_rectified, image_topic=topics.image)
    truth = ImageTruth(topics, spec, options, lambda sentence: None)

    def keep(prediction: Prediction) -> None:
        found = truth.of(prediction, spec.tasks)
        seen[prediction.row.stamp_ns].truth = {task: truth_of(task, spec, v) for task, v in found}

    alignment = Alignment(bag, topics, truth, keep, lambda sentence: None)
    at = [one.at_ns for one in seen.values()]
    clouds = {source.topic for source in topics.sources if source.kind == CLOUD}
    for c, at_ns, raw in around(bag, topics, min(at) - HOLD_NS, max(at) + HOLD_NS):
        if c.topic == topics.info:
            frames.info = bag.deserialize(raw, c.msgtype)
        elif c.topic == topics.image:
            stamp_ns = stamp_ns_of(bag, raw)
            if stamp_ns in seen:
                frame = frames.frame(bag.deserialize(raw, c.msgtype))[0]
                seen[stamp_ns].frame = narrow_frame(frame)
                row = Row(0, topics.image, stamp_ns)
                alignment.add(Prediction(row, at_ns, frame.frame_id, frame.intrinsics, {}))
        elif c.topic in clouds or c.topic in topics.tf or stamp_ns_of(bag, raw) in seen:
            alignment.add_message(c.topic, c.msgtype, raw, at_ns)
    alignment.finish()


def around(
    bag: AnyReader, topics: Topics, start_ns: int, stop_ns: int
) -> Iterator[tuple[Any, int, Any]]:
    """Yields the messages recorded in between.

    Static transforms and the first camera_info come first, because they may be recorded only once,
    at the beginning.
    """
    connections = [c for c in bag.connections if c.topic in topics.wanted]
    for c in connections:
        if topics.tf.get(c.topic) or c.topic == topics.info:
            for message in bag.messages([c]):
                yield message
                if c.topic == topics.info:
                    break
    yield from bag.messages(connections, start_ns, stop_ns)
