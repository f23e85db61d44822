"""Reads scenes and statistics from a recording of the node's inputs and outputs.

Messages are matched by stamp.
"""

from __future__ import annotations

import colorsys
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from mtscene_ros.camera.images import ENCODINGS, rgb_from_compressed, rgb_from_image
from mtscene_ros.camera.outputs import (
    DEPTH_CAMERA_INFO,
    FRAME_STATS,
    IMAGE,
    label_info_topic,
    result_topic,
)
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.recordings.truth_topics import TRUTH, truth_label_info_topic, truth_topic
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

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
TASKS_READ = ('semantic', 'depth', 'boxes3d')
_COLORS = {c.name: c.color_rgb for c in (*CITYSCAPES_19, *DRIVE_BOXES)}


@dataclass(frozen=True, slots=True, eq=False)
class ShownFrame:
    """One image, the node's results for it and, where recorded, the truth by task."""

    scene: Scene
    truth: Mapping[str, Result]


@dataclass(slots=True, eq=False)
class Recording:
    """The contents of a recording.

    input_ns: stamps of the images; done_ns: when the statistics of each frame were recorded;
    stage_s: stage → (frames,) durations; counts: the node's last counts of frames, empty without
    frame_stats; answered: images that have a result in the recording.
    """

    image_topic: str
    input_ns: list[int]
    done_ns: list[int] = field(default_factory=list)
    stage_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    log: list[str] = field(default_factory=list)
    classes: tuple[SemanticClass, ...] = ()
    true_classes: tuple[SemanticClass, ...] = ()
    shown: list[ShownFrame] = field(default_factory=list)

    @property
    def total_s(self) -> NDArray[np.float64]:
        """Returns (frames,) seconds from receiving the image to publishing the last output."""
        if not self.stage_s:
            return np.zeros(0)
        return np.asarray(np.sum([np.asarray(s) for s in self.stage_s.values()], 0), np.float64)


def read_recording(path: Path, shown: int = 6, node: str = '/perception') -> Recording:
    """Reads the statistics of all frames, and `shown` complete frames spread over the recording.

    Raises BagError if the recording contains no image or no result of the node.
    """
    with open_bag(path) as bag:
        stamps = _stamps(bag)
        results = {task: f'{node}/{result_topic(task)}' for task in TASKS_READ}
        results = {task: topic for task, topic in results.items() if stamps.get(topic)}
        if not results:
            raise BagError(f'{path} contains no results of {node}; record its topics as well.')
        image_topic = _input_topic(bag, stamps, set(stamps[next(iter(results.values()))]), node)
        recording = Recording(image_topic, stamps[image_topic])
        _read_statistics(bag, node, recording)
        images, found = set(stamps[image_topic]), [stamps[t] for t in results.values()]
        recording.answered = len(images.intersection(set().union(*found)))
        complete = images.intersection(*found)
        recording.shown = _shown_frames(
            bag, recording, node, results, _spread(sorted(complete), shown)
        )
    return recording


def color_images(bag: AnyReader, without: str = TRUTH) -> list[str]:
    """Returns the topics whose images the node can use, best first.

    Topics with a camera_info come first, then raw images, then topics with more messages.
    """
    topics = [
        topic
        for topic, info in bag.topics.items()
        if info.msgtype in (IMAGE, COMPRESSED)
        and info.msgcount
        and not topic.startswith((f'{without}/', f'{TRUTH}/'))
        and _is_color(bag, topic)
    ]

    def rank(topic: str) -> tuple[bool, bool, int, str]:
        info = bag.topics[topic]
        calibrated = camera_info_topic(topic) in bag.topics
        return not calibrated, info.msgtype == COMPRESSED, -info.msgcount, topic

    return sorted(topics, key=rank)


def camera_info_topic(image_topic: str) -> str:
    """Returns the camera_info topic of an image topic, as image_pipeline derives it."""
    base = image_topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/camera_info'


def _is_color(bag: AnyReader, topic: str) -> bool:
    connections = [c for c in bag.connections if c.topic == topic]
    for connection, _, raw in bag.messages(connections):
        message: Any = bag.deserialize(raw, connection.msgtype)
        if connection.msgtype == IMAGE:
            return message.encoding in ENCODINGS
        return 'compressedDepth' not in message.format
    return False


def _input_topic(
    bag: AnyReader, stamps: Mapping[str, list[int]], results: set[int], node: str
) -> str:
    """Returns the image topic whose stamps most results have. Raises BagError."""
    topics = color_images(bag, without=node)
    if not topics:
        raise BagError('The recording contains no camera images; record the image topic as well.')
    return max(topics, key=lambda topic: len(results.intersection(stamps[topic])))


def _stamps(bag: AnyReader) -> dict[str, list[int]]:
    """Returns topic → stamps in recorded order, for messages that begin with a header."""
    stamps = defaultdict(list)
    for connection, _, raw in bag.messages([c for c in bag.connections if _has_header(bag, c)]):
        stamps[connection.topic].append(stamp_ns_of(bag, raw))
    return dict(stamps)


def stamp_ns_of(bag: AnyReader, raw: bytes | memoryview) -> int:
    """Returns the stamp of a serialized message that begins with a header.

    It follows the preamble of CDR, or the seq of ROS 1: 4 bytes either way.
    """
    sec, nanosec = struct.unpack_from('<II' if raw[1] or not bag.is2 else '>II', raw, 4)
    return int(sec * 10**9 + nanosec)


def _has_header(bag: AnyReader, connection: Any) -> bool:
    fields = bag.typestore.get_msgdef(connection.msgtype).fields
    return bool(fields) and fields[0][0] == 'header'


def _spread(stamps: list[int], count: int) -> list[int]:
    if not stamps:
        return []
    at = np.linspace(0, len(stamps) - 1, min(count, len(stamps))).round().astype(int)
    return [stamps[i] for i in at]


def _read_statistics(bag: AnyReader, node: str, recording: Recording) -> None:
    label_info = f'{node}/{label_info_topic("semantic")}'
    true_label_info = truth_label_info_topic('semantic')
    wanted = (f'{node}/{FRAME_STATS}', label_info, true_label_info, '/rosout')
    connections = [c for c in bag.connections if c.topic in wanted]
    for connection, recorded_ns, raw in bag.messages(connections) if connections else ():
        message: Any = bag.deserialize(raw, connection.msgtype)
        if connection.topic == '/rosout':
            if message.name == node.strip('/').replace('/', '.'):
                recording.log.append(message.msg)
        elif connection.topic == label_info:
            recording.classes = classes_of(message)
        elif connection.topic == true_label_info:
            recording.true_classes = classes_of(message)
        else:
            names = ('received', 'published', 'dropped', 'failed')
            recording.counts = {name: int(getattr(message, name)) for name in names}
            if message.stages:
                recording.done_ns.append(recorded_ns)
            for stage in message.stages:
                recording.stage_s[stage.name].append(stage.duration_s)


def _shown_frames(
    bag: AnyReader, recording: Recording, node: str, results: Mapping[str, str], stamps: list[int]
) -> list[ShownFrame]:
    truth = {task: truth_topic(task) for task in TASKS_READ}
    info_topic = f'{node}/{DEPTH_CAMERA_INFO}'
    topics = {recording.image_topic, info_topic, *results.values(), *truth.values()}
    wanted, found = set(stamps), {}
    for connection, _, raw in bag.messages([c for c in bag.connections if c.topic in topics]):
        stamp_ns = stamp_ns_of(bag, raw)
        if stamp_ns in wanted:
            found[connection.topic, stamp_ns] = bag.deserialize(raw, connection.msgtype)

    def by_task(
        topics: Mapping[str, str], stamp_ns: int, classes: tuple[SemanticClass, ...]
    ) -> dict[str, Result]:
        return {
            task: result_of(task, found[topic, stamp_ns], classes)
            for task, topic in topics.items()
            if (topic, stamp_ns) in found
        }

    shown = []
    for t in stamps:
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
    if hasattr(message, 'format'):
        return rgb_from_compressed(message.format, np.frombuffer(message.data, np.uint8))
    m, data = message, np.frombuffer(message.data, np.uint8)
    return rgb_from_image(m.encoding, m.width, m.height, m.step, bool(m.is_bigendian), data)


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
    found = message.detections
    names = sorted({d.results[0].hypothesis.class_id for d in found})
    poses, sizes = [d.bbox.center for d in found], [d.bbox.size for d in found]
    return Boxes3D(
        np.array([names.index(d.results[0].hypothesis.class_id) for d in found], np.int64),
        np.array([d.results[0].hypothesis.score for d in found], np.float32),
        np.array([[p.position.x, p.position.y, p.position.z] for p in poses]).reshape(-1, 3),
        np.array([[s.x, s.y, s.z] for s in sizes]).reshape(-1, 3),
        np.array([[getattr(p.orientation, a) for a in 'xyzw'] for p in poses]).reshape(-1, 4),
        tuple(_class(i, name) for i, name in enumerate(names)),
    )


def classes_of(label_info: Any) -> tuple[SemanticClass, ...]:
    return tuple(_class(c.class_id, c.class_name) for c in label_info.class_map)


def _class(class_id: int, name: str) -> SemanticClass:
    return SemanticClass(class_id, name, color_of(class_id, name))


def color_of(class_id: int, name: str) -> tuple[int, int, int]:
    """Returns the colour of a class, which recordings do not contain.

    It is that of Cityscapes or the drive boxes; other names get a colour by their id.
    """
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.618 % 1, 0.6, 0.9)
    other = (round(255 * red), round(255 * green), round(255 * blue))
    return _COLORS.get(name, other)
