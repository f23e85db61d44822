"""Reads the truth from topics of a recording, in the classes of the model."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.image_headers import kind_of
from mtscene_ros.camera.images import ImageError, decoded, max_file_pixels
from mtscene_ros.camera.outputs import BOXES_3D, LABEL_INFO
from mtscene_ros.datasets.class_match import (
    NO_MAP,
    ClassMap,
    LabelMatch,
    class_map_from,
    label_match,
)
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.recordings.bags import BagError, CheckedReader
from mtscene_ros.recordings.class_names import classes_of
from mtscene_ros.recordings.node_results import result_of
from mtscene_ros.recordings.nodes import nodes_in
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

    match: of the classes of the truth with those of the model, None without classes.
    """

    task: str
    topic: str
    kind: str
    match: LabelMatch | None = None


def sources(
    bag: CheckedReader, spec: ModelSpec, options: EvaluateOptions, warn: Warn
) -> list[Source]:
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
            match = match_of(bag, spec, task, topic, options, warn)
            found.append(Source(task, topic, kind, match))
    return found


def found_topic(bag: CheckedReader, task: str, options: EvaluateOptions, warn: Warn) -> str:
    """Finds a topic by its name; boxes and depth by type as well."""
    name = truth_topic(task)
    if name in bag.topics and bag.topics[name].msgcount:
        return name
    kind = {'boxes3d': BOXES_3D, 'depth': CLOUD}.get(task)
    outputs = tuple(f'{node}/' for node in (options.node, *nodes_in(bag)))
    alike = [
        topic
        for topic, info in bag.topics.items()
        if info.msgtype == kind and info.msgcount and not topic.startswith(outputs)
    ]
    if len(alike) > 1:
        warn(
            f'{", ".join(alike)} may all hold the truth of {task}; {alike[0]} is used, and '
            f'--truth-topic {task}=TOPIC chooses another.'
        )
    if len(alike) == 1:
        warn(
            f'{alike[0]} is taken as the truth of {task}, because nothing else has the type '
            f'{kind}; --truth-topic {task}=TOPIC chooses another.'
        )
    return alike[0] if alike else ''


def match_of(
    bag: CheckedReader,
    spec: ModelSpec,
    task: str,
    topic: str,
    options: EvaluateOptions,
    warn: Warn,
) -> LabelMatch | None:
    """Returns the match by the names of LabelInfo; without one, ids stay the same."""
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
    renamed = class_map_from(options.classes)
    return match_by_name(classes if true is None else true, classes, topic, warn, renamed)


def match_by_name(
    true: tuple[SemanticClass, ...],
    classes: tuple[SemanticClass, ...],
    where: object,
    warn: Warn,
    class_map: ClassMap = NO_MAP,
) -> LabelMatch:
    """Says which classes of the truth the model lacks, and how many the truth lacks."""
    match = label_match(true, classes, class_map)
    if match.lacking:
        strange = ', '.join(match.lacking)
        warn(
            f'The model lacks the classes {strange} of {where}; they are not scored, unless '
            '--class TRUE=MODEL (classes of a scenario, class_map of a manifest) names those that '
            'they are.'
        )
    merged = len(classes) - len(set(match.merged[: len(classes)].tolist()))
    rest = len(classes) - merged - len(match.scored)
    if rest and match.scored:
        warn(
            f'The truth of {where} has {len(match.scored)} of the {len(classes)} classes of the '
            f'model, so means are over these; the other {rest} count only where they are wrong.'
        )
    return match


def first_classes(bag: CheckedReader, topics: tuple[str, ...]) -> tuple[SemanticClass, ...] | None:
    """Returns the classes of the first topic that has a LabelInfo."""
    for topic in topics:
        connections = [c for c in bag.connections if c.topic == topic and c.msgtype == LABEL_INFO]
        for _, _, message in bag.decoded(connections):
            return classes_of(message)
    return None


def plane(message: Any) -> NDArray[Any]:
    """Returns an Image or PNG as (H, W) or (H, W, 3) of its own type. Raises TruthError."""
    if hasattr(message, 'format') and 'compresseddepth' in message.format.lower():
        return from_compressed_depth(message.format, bytes(message.data))
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


def from_compressed_depth(format_: str, data: bytes) -> NDArray[Any]:
    """Decodes what compressed_depth_image_transport publishes. Raises TruthError.

    A header of 12 bytes (an int, quantisation a and b as floats) precedes a PNG. Of 16UC1 it has
    millimetres, of 32FC1 q = a / depth_m + b with 0 for unknown.
    """
    found = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or data[12:16] != b'\x89PNG':
        raise TruthError(
            f'A compressed depth image (format {format_[:40]!r}) has no PNG behind its header of '
            '12 bytes; record it as PNG, not as RVL.'
        )
    if not format_.strip().upper().startswith('32FC1'):
        return np.asarray(found)
    _, a, b = struct.unpack_from('<iff', data)
    with np.errstate(divide='ignore'):
        depth_m = np.float32(a) / (found.astype(np.float32) - np.float32(b))
    return np.where(found == 0, np.float32(np.nan), depth_m)


def values_of(source: Source, message: Any, depth_max_m: float) -> NDArray[Any]:
    """Returns the map that the meter of the task expects. Raises TruthError."""
    values = plane(message)
    if source.task == 'depth':
        return true_depth(values, depth_max_m)
    if source.task == 'normals':
        return np.nan_to_num(values.astype(np.float32))
    if source.match is not None:
        ids = values if values.dtype == np.uint8 else np.minimum(values, UNLABELED)
        return source.match.lookup[ids.astype(np.uint8)]
    if source.task in TASKS:  # boundary, saliency: 0, 1, 255 unknown
        return values.astype(np.uint8)
    return values.astype(np.float32)


def true_depth(values: NDArray[Any], max_m: float) -> NDArray[np.float32]:
    """Converts metres, or 16-bit millimetres, to metres; NaN where unknown or beyond max_m."""
    metres = values.astype(np.float32)
    if values.dtype.itemsize == 2:
        metres = np.where(values == 0, np.float32(np.nan), metres / np.float32(1000))
    return np.where(metres <= max_m, metres, np.float32(np.nan))


def boxes_of(
    message: Any, ids: Mapping[str, int], warn: Warn, renamed: Sequence[tuple[str, str]] = ()
) -> Boxes3D:
    """Returns the boxes whose classes the model has, with the model's ids; renamed: as in
    lookup_by_name."""
    found = result_of('boxes3d', message, ())
    assert isinstance(found, Boxes3D)
    if len(found) < len(message.detections):
        warn('A true box without results has no class and is left out.')
    new_names = dict(renamed)
    names = [new_names.get(c.name, c.name) for c in found.classes]
    strange = sorted({*names} - ids.keys())
    if strange:
        warn(f'The model has no boxes of the classes {", ".join(strange)}; they are not scored.')
    known = np.array([names[k] in ids for k in found.class_ids], bool)
    kept = found.select(known)
    numbers = np.array([ids[names[k]] for k in kept.class_ids], np.int64)
    return Boxes3D(
        numbers, kept.scores, kept.centers_m, kept.sizes_m, kept.quaternions_xyzw, found.classes
    )
