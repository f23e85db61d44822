"""Reads scenes and statistics from a recording of the node's inputs and outputs.

Messages are matched by stamp.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from mtscene_ros.camera.images import max_file_pixels, rgb_from_compressed, rgb_from_image
from mtscene_ros.camera.outputs import (
    DEPTH_CAMERA_INFO,
    FRAME_STATS,
    label_info_topic,
    result_topic,
)
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag
from mtscene_ros.recordings.camera_choice import check_there, input_topic
from mtscene_ros.recordings.class_names import class_named, classes_of
from mtscene_ros.recordings.nodes import node_of, nodes_in, nothing_of
from mtscene_ros.recordings.truth_topics import truth_label_info_topic, truth_topic
from mtscene_ros.terminal import shown
from mtscene_ros.types import (
    Boxes3D,
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    Result,
    Scene,
    SemanticClass,
)

TASKS_READ = ('semantic', 'depth', 'boxes3d')


@dataclass(frozen=True, slots=True, eq=False)
class ShownFrame:
    """One image, the node's results for it and, where recorded, the truth by task."""

    scene: Scene
    truth: Mapping[str, Result]


@dataclass(slots=True, eq=False)
class Recording:
    """The contents of a recording.

    input_ns: stamps of the images; done_ns: when the statistics of each frame were recorded;
    frame_s: from receiving the image to publishing the last output; stage_s: stage → durations;
    counts: the node's last counts of frames, empty without frame_stats; answered: images that have
    a result in the recording; missing: what the node did not publish or nobody recorded; notes:
    sentences on what was left out or chosen.
    """

    image_topic: str
    input_ns: list[int]
    done_ns: list[int] = field(default_factory=list)
    frame_s: list[float] = field(default_factory=list)
    stage_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    log: list[str] = field(default_factory=list)
    classes: tuple[SemanticClass, ...] = ()
    true_classes: tuple[SemanticClass, ...] = ()
    shown: list[ShownFrame] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total_s(self) -> NDArray[np.float64]:
        """Returns (frames,) seconds from receiving the image to publishing the last output."""
        return np.asarray(self.frame_s, np.float64)


def read_recording(path: Path, shown: int = 6, node: str = '', image: str = '') -> Recording:
    """Reads the statistics of all frames, and `shown` frames spread over the recording: complete
    ones, where there are any.

    node: whose results, '' to find one; image: topic of its images, '' to find it by stamps and
    frame. Raises BagError if the recording contains no image, or results of other nodes only.
    """
    with open_bag(path) as bag:
        node, others = node_of(bag, path.name, node)
        stamps = stamps_of(bag)
        results = {task: f'{node}/{result_topic(task)}' for task in TASKS_READ}
        results = {task: topic for task, topic in results.items() if stamps.get(topic)}
        answers = [*results.values(), *filter(stamps.get, [f'{node}/{FRAME_STATS}'])]
        if not answers and nodes_in(bag):
            raise BagError(nothing_of(bag, path.name, node))
        image_topic = image or input_topic(bag, path.name, stamps, next(iter(answers), ''), node)
        if image:
            check_there(bag, image)
        recording = Recording(image_topic, stamps[image_topic], notes=[*bag.notes, *others])
        _read_statistics(bag, node, recording)
        recording.missing = [
            f'{task} (`{node}/{result_topic(task)}`)' for task in TASKS_READ if task not in results
        ] + ([] if recording.frame_s else [f'latency and counts (`{node}/{FRAME_STATS}`)'])
        images = set(stamps[image_topic])
        found = [set(stamps[topic]) for topic in results.values()]
        answered, complete = images & set().union(*found), images.intersection(*found)
        recording.answered = len(answered)
        chosen = sorted(complete or answered or images)
        recording.shown = _shown_frames(bag, recording, node, results, _spread(chosen, shown))
        recording.notes += bag.damage
    return recording


def stamps_of(bag: CheckedReader) -> dict[str, list[int]]:
    """Returns topic → stamps in recorded order, for messages that begin with a header."""
    stamps = defaultdict(list)
    for connection, _, raw in bag.messages([c for c in bag.connections if _has_header(bag, c)]):
        stamps[connection.topic].append(stamp_ns_of(bag, raw))
    return dict(stamps)


def stamp_ns_of(bag: AnyReader, raw: bytes | memoryview) -> int:
    """Returns the stamp of a serialized message that begins with a header.

    It follows the preamble of CDR, or the seq of ROS 1: 4 bytes either way.
    """
    sign = 'iI' if bag.is2 else 'II'
    sec, nanosec = struct.unpack_from(f'{"<" if raw[1] or not bag.is2 else ">"}{sign}', raw, 4)
    return int(sec * 10**9 + nanosec)


def _has_header(bag: CheckedReader, connection: Any) -> bool:
    fields = bag.typestore.get_msgdef(connection.msgtype).fields
    return bool(fields) and fields[0][0] == 'header'


def _spread(stamps: list[int], count: int) -> list[int]:
    if not stamps:
        return []
    at = np.linspace(0, len(stamps) - 1, min(count, len(stamps))).round().astype(int)
    return [stamps[i] for i in at]


def _read_statistics(bag: CheckedReader, node: str, recording: Recording) -> None:
    label_info = f'{node}/{label_info_topic("semantic")}'
    true_label_info = truth_label_info_topic('semantic')
    wanted = (f'{node}/{FRAME_STATS}', label_info, true_label_info, '/rosout')
    connections = [c for c in bag.connections if c.topic in wanted]
    for connection, recorded_ns, message in bag.decoded(connections):
        if connection.topic == '/rosout':
            # The node's own name, or that of the node whose camera `node` is.
            if f'{node.strip("/")}/'.startswith(f'{message.name.replace(".", "/")}/'):
                recording.log.append(shown(message.msg))
        elif connection.topic == label_info:
            recording.classes = classes_of(message)
        elif connection.topic == true_label_info:
            recording.true_classes = classes_of(message)
        else:
            names = ('received', 'published', 'dropped', 'failed')
            recording.counts = {name: int(getattr(message, name)) for name in names}
            if message.stages:
                recording.done_ns.append(recorded_ns)
                recording.frame_s.append(sum(stage.duration_s for stage in message.stages))
            for stage in message.stages:
                recording.stage_s[stage.name].append(stage.duration_s)


def _shown_frames(
    bag: CheckedReader,
    recording: Recording,
    node: str,
    results: Mapping[str, str],
    stamps: list[int],
) -> list[ShownFrame]:
    truth = {task: truth_topic(task) for task in TASKS_READ}
    info_topic = f'{node}/{DEPTH_CAMERA_INFO}'
    topics = {recording.image_topic, info_topic, *results.values(), *truth.values()}
    wanted, found = set(stamps), {}
    for connection, _, raw in bag.messages([c for c in bag.connections if c.topic in topics]):
        stamp_ns = stamp_ns_of(bag, raw)
        if stamp_ns in wanted:
            found[connection.topic, stamp_ns] = bag.message(connection, raw)

    def by_task(
        topics: Mapping[str, str], stamp_ns: int, classes: tuple[SemanticClass, ...]
    ) -> dict[str, Result]:
        return {
            task: result_of(task, found[topic, stamp_ns], classes)
            for task, topic in topics.items()
            if found.get((topic, stamp_ns)) is not None
        }

    shown = []
    for t in stamps:
        if found[recording.image_topic, t] is None:
            continue
        frame = _frame(found[recording.image_topic, t], found.get((info_topic, t)), t)
        scene = Scene(frame, by_task(results, t, recording.classes))
        shown.append(ShownFrame(scene, by_task(truth, t, recording.true_classes)))
    return shown


def _frame(image: Any, info: Any, stamp_ns: int) -> CameraFrame:
    """Returns the frame of an image.

    info: the CameraInfo that the node published with the depth of this image, or None.
    """
    rgb = pixels(image)
    intrinsics = info and Intrinsics(
        info.width, info.height, info.k[0], info.k[4], info.k[2], info.k[5]
    )
    return CameraFrame(rgb, intrinsics, stamp_ns, image.header.frame_id)


def pixels(message: Any) -> NDArray[np.uint8]:
    """Decodes an Image or CompressedImage to (H, W, 3) RGB. Raises ImageError."""
    m, data, most = message, np.frombuffer(message.data, np.uint8), max_file_pixels()
    if hasattr(message, 'format'):
        return rgb_from_compressed(m.format, data, most)
    return rgb_from_image(m.encoding, m.width, m.height, m.step, bool(m.is_bigendian), data, most)


def result_of(task: str, message: Any, classes: tuple[SemanticClass, ...]) -> Result:
    """Converts a message of semantic, depth or boxes3d to a result; classes: those of labels."""
    if task == 'boxes3d':
        return _boxes(message)
    kinds = {'mono8': np.uint8, '8UC1': np.uint8, '32FC1': np.float32, '16UC1': np.uint16}
    kind = np.dtype(kinds[message.encoding])
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    plane = rows[:, : message.width * kind.itemsize].view(kind)
    if task == 'semantic':
        ids = plane if plane.dtype == np.uint16 else plane.astype(np.uint8)
        return LabelMap(ids, np.full(plane.shape, 255, np.uint8), classes)
    if kind == np.uint16:
        return DepthMap(np.where(plane == 0, np.float32(np.nan), plane / np.float32(1000)))
    return DepthMap(plane)


def _boxes(message: Any) -> Boxes3D:
    """Boxes without a result have no class, so they are left out."""
    found = [(d, best_of(d.results[0])) for d in message.detections if d.results]
    names = sorted({name for _, (name, _) in found})
    poses, sizes = [d.bbox.center for d, _ in found], [d.bbox.size for d, _ in found]
    return Boxes3D(
        np.array([names.index(name) for _, (name, _) in found], np.int64),
        np.array([score for _, (_, score) in found], np.float32),
        np.array([[p.position.x, p.position.y, p.position.z] for p in poses]).reshape(-1, 3),
        np.array([[s.x, s.y, s.z] for s in sizes]).reshape(-1, 3),
        np.array([[getattr(p.orientation, a) for a in 'xyzw'] for p in poses]).reshape(-1, 4),
        tuple(class_named(i, name) for i, name in enumerate(names)),
    )


def best_of(result: Any) -> tuple[str, float]:
    """Returns class and score; vision_msgs of ROS 1 and of Foxy has them as `id` and `score`."""
    hypothesis = getattr(result, 'hypothesis', result)
    name = hypothesis.class_id if hasattr(hypothesis, 'class_id') else hypothesis.id
    return str(name), float(hypothesis.score)
