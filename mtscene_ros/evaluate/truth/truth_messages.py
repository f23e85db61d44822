"""Reads the truth from topics of a recording, in the classes of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from mtscene_ros.camera.image_headers import kind_of
from mtscene_ros.camera.images import ImageError, decoded, max_file_pixels
from mtscene_ros.camera.outputs import BOXES_3D, LABEL_INFO
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.recordings.class_names import classes_of
from mtscene_ros.recordings.node_results import result_of
from mtscene_ros.recordings.truth_topics import truth_label_info_topic, truth_topic
from mtscene_ros.tasks import TASKS
from mtscene_ros.types import UNLABELED, Boxes3D, SemanticClass

CLOUD = 'sensor_msgs/msg/PointCloud2'
ENCODINGS: dict[str, tuple[str, int]] = {
    'mono8': ('u1', 1), '8UC1': ('u1', 1), 'mono16': ('u2', 1), '16UC1': ('u2', 1),
    '32FC1': ('f4', 1), '32FC3': ('f4', 3), '64FC1': ('f8', 1),
}  # fmt: skip
Warn = Callable[[str], None]


class TruthError(ValueError):
    """A message of the truth cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the truth of a task is.

    lookup: (256,) ids of the truth → ids of the model, None without classes; ids: class name → id
    of the model, for boxes.
    """

    task: str
    topic: str
    kind: str
    lookup: NDArray[np.uint8] | None = None


def sources(bag: AnyReader, spec: ModelSpec, options: EvaluateOptions, warn: Warn) -> list[Source]:
    """Returns the sources for the model's tasks. Raises BagError for a named topic that is
    missing."""
    named = dict(options.truth_topics)
    for task, topic in named.items():
        if task not in spec.tasks:
            raise BagError(f'The model has no task {task!r}; it has {", ".join(spec.tasks)}.')
        if topic not in bag.topics:
            raise BagError(f'{topic} is not in the recording; it has {", ".join(bag.topics)}.')
    found = []
    for task in spec.tasks:
        topic = named.get(task) or found_topic(bag, task, options, warn)
        if topic:
            kind = bag.topics[topic].msgtype or ''
            lookup = lookup_of(bag, spec, task, topic, options, warn)
            found.append(Source(task, topic, kind, lookup))
    return found


def found_topic(bag: AnyReader, task: str, options: EvaluateOptions, warn: Warn) -> str:
    """Finds a topic by its name; boxes and depth by type as well."""
    name = truth_topic(task)
    if name in bag.topics and bag.topics[name].msgcount:
        return name
    kind = {'boxes3d': BOXES_3D, 'depth': CLOUD}.get(task)
    alike = [
        topic
        for topic, info in bag.topics.items()
        if info.msgtype == kind and info.msgcount and not topic.startswith(f'{options.node}/')
    ]
    if len(alike) > 1:
        warn(
            f'{", ".join(alike)} may all hold the truth of {task}; {alike[0]} is used, and '
            f'--truth-topic {task}=TOPIC chooses another.'
        )
    return alike[0] if alike else ''


def lookup_of(
    bag: AnyReader,
    spec: ModelSpec,
    task: str,
    topic: str,
    options: EvaluateOptions,
    warn: Warn,
) -> NDArray[np.uint8] | None:
    """Returns the look-up table by the names of LabelInfo; without one, ids stay the same."""
    if task == 'boxes3d' or 'classes' not in spec.tasks[task]:
        return None
    classes = classes_from_options(spec.tasks[task])
    info = options.label_info_topic if task == 'semantic' else ''
    info = info or truth_label_info_topic(task)
    true = first_classes(
        bag, (info, f'{topic}/label_info', f'{topic.rpartition("/")[0]}/label_info')
    )
    if true is None:
        warn(f'{topic} has no LabelInfo, so its ids are read as those of the model.')
    return lookup_by_name(classes if true is None else true, classes, topic, warn)


def lookup_by_name(
    true: tuple[SemanticClass, ...], classes: tuple[SemanticClass, ...], where: object, warn: Warn
) -> NDArray[np.uint8]:
    """Returns (256,): ids of the truth → ids of the model, UNLABELED for classes it lacks."""
    table = np.full(256, UNLABELED, np.uint8)
    ids = {c.name: c.id for c in classes}
    for c in true:
        if c.name in ids and c.id < UNLABELED:
            table[c.id] = ids[c.name]
    strange = [c.name for c in true if c.name not in ids]
    if strange:
        warn(f'The model lacks the classes {", ".join(strange)} of {where}; they are not scored.')
    return table


def first_classes(bag: AnyReader, topics: tuple[str, ...]) -> tuple[SemanticClass, ...] | None:
    """Returns the classes of the first topic that has a LabelInfo."""
    for topic in topics:
        connections = [c for c in bag.connections if c.topic == topic and c.msgtype == LABEL_INFO]
        for connection, _, raw in bag.messages(connections) if connections else ():
            return classes_of(bag.deserialize(raw, connection.msgtype))
    return None


def plane(message: Any) -> NDArray[Any]:
    """Returns an Image or PNG as (H, W) or (H, W, 3) of its own type. Raises TruthError."""
    if hasattr(message, 'format'):
        raw = bytes(message.data)
        if kind_of(raw) != 'png':
            raise TruthError('Compressed images of the truth must be PNG; JPEG corrupts them.')
        try:
            return decoded(raw, cv2.IMREAD_UNCHANGED, max_file_pixels())
        except ImageError as error:
            raise TruthError(f'A truth image cannot be read: {error}') from error
    if message.encoding not in ENCODINGS:
        known = ', '.join(ENCODINGS)
        raise TruthError(f'The truth has the encoding {message.encoding!r}; use one of {known}.')
    code, channels = ENCODINGS[message.encoding]
    dtype = np.dtype(('>' if message.is_bigendian else '<') + code)
    height, width, step = message.height, message.width, message.step
    row = width * channels * dtype.itemsize
    data = np.frombuffer(message.data, np.uint8)
    if not height or not width or step < row or len(data) < height * step:
        raise TruthError(
            f'A truth image of {width}x{height} {message.encoding} has {len(data)} bytes in steps '
            f'of {step}.'
        )
    rows = np.ascontiguousarray(data[: height * step].reshape(height, step)[:, :row])
    values = rows.view(dtype).reshape(height, width, channels)
    return values[..., 0] if channels == 1 else values


def values_of(source: Source, message: Any, depth_max_m: float) -> NDArray[Any]:
    """Returns the map that the meter of the task expects. Raises TruthError."""
    values = plane(message)
    if source.task == 'depth':
        return true_depth(values, depth_max_m)
    if source.task == 'normals':
        return np.nan_to_num(values.astype(np.float32))
    if source.lookup is not None:
        ids = values if values.dtype == np.uint8 else np.minimum(values, UNLABELED)
        return source.lookup[ids.astype(np.uint8)]
    if source.task in TASKS:  # boundary, saliency: 0, 1, 255 unknown
        return values.astype(np.uint8)
    return values.astype(np.float32)


def true_depth(values: NDArray[Any], max_m: float) -> NDArray[np.float32]:
    """Converts metres, or 16-bit millimetres, to metres; NaN where unknown or beyond max_m."""
    metres = values.astype(np.float32)
    if values.dtype.itemsize == 2:
        metres = np.where(values == 0, np.float32(np.nan), metres / np.float32(1000))
    return np.where(metres <= max_m, metres, np.float32(np.nan))


def boxes_of(message: Any, ids: Mapping[str, int], warn: Warn) -> Boxes3D:
    """Returns the boxes whose classes the model has, with the model's ids."""
    found = result_of('boxes3d', message, ())
    assert isinstance(found, Boxes3D)
    strange = sorted({c.name for c in found.classes} - ids.keys())
    if strange:
        warn(f'The model has no boxes of the classes {", ".join(strange)}; they are not scored.')
    known = np.array([found.classes[k].name in ids for k in found.class_ids], bool)
    kept = found.select(known)
    numbers = np.array([ids[found.classes[k].name] for k in kept.class_ids], np.int64)
    return Boxes3D(
        numbers, kept.scores, kept.centers_m, kept.sizes_m, kept.quaternions_xyzw, found.classes
    )
