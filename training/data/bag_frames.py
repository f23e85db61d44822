"""Frames of a recording with the labels, depths and boxes that belong to them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.outputs import LABEL_INFO
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag
from mtscene_ros.recordings.camera_choice import camera_of
from mtscene_ros.recordings.class_names import classes_of
from mtscene_ros.recordings.node_results import (
    pixels,
    result_of,
    stamp_ns_of,
)
from mtscene_ros.terminal import listed
from mtscene_ros.types import UNLABELED, Boxes3D, DepthMap, Intrinsics, LabelMap
from training.data.manifest_writer import Account, LabelledFrame

NO_IDS = np.zeros(0, np.uint8)
OPTIONS = {'semantic': 'labels', 'depth': 'depth', 'boxes3d': 'boxes'}  # task → option


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What belongs together in a recording.

    parts: task → topic; stamps: of the images; image_of: topic → stamp of a message → stamp of its
    image; lookup: (65536,) ids of the labels → places in the table.
    """

    image: str
    parts: dict[str, str]
    stamps: list[int]
    camera: Intrinsics | None
    names: list[str]
    lookup: NDArray[np.uint8]
    image_of: dict[str, dict[int, int]] = field(default_factory=dict)


def bag_frames(
    path: Path, options: argparse.Namespace, account: Account
) -> tuple[list[str], Iterator[LabelledFrame]]:
    """Returns the classes of the labels, and images with the labels, depths and boxes that are
    nearest in time. Raises DataError."""
    with open_bag(path) as bag:
        plan = plan_of(bag, path, options, account)
    return plan.names, frames_of(path, plan, options.every)


def plan_of(bag: CheckedReader, path: Path, options: argparse.Namespace, account: Account) -> Plan:
    try:
        chosen = camera_of(bag, path.name, options.image, options.camera_info)
    except BagError as error:
        raise DataError(str(error)) from error
    image, info = chosen.topic, chosen.info
    for sentence in chosen.notes:
        account.remark(sentence)
    parts = {task: getattr(options, option) for task, option in OPTIONS.items()}
    parts = {task: topic for task, topic in parts.items() if topic}
    for topic in (image, *parts.values()):
        if topic not in bag.topics:
            raise DataError(f'{path} has no topic {topic!r}; it has {listed(sorted(bag.topics))}.')
    stamps: dict[str, list[int]] = {topic: [] for topic in (image, *parts.values())}
    camera: Intrinsics | None = None
    names, lookup = (
        table_of(bag, path, options.label_info) if 'semantic' in parts else ([], NO_IDS)
    )
    wanted = [c for c in bag.connections if c.topic in (*stamps, info)]
    for connection, _, raw in bag.messages(wanted):
        if connection.topic in stamps:
            stamps[connection.topic].append(stamp_ns_of(bag, raw))
        else:
            camera = camera or intrinsics_of(bag.deserialize(raw, connection.msgtype))
    found = Plan(image, parts, sorted(set(stamps[image])), camera, names, lookup)
    slop_ns = slop_of(found.stamps, options.slop_ms)
    for task, topic in parts.items():
        found.image_of[topic] = nearest(stamps[topic], found.stamps, slop_ns)
        report(task, topic, found, slop_ns, path, account)
    return found


def table_of(bag: CheckedReader, path: Path, topic: str) -> tuple[list[str], NDArray[np.uint8]]:
    """Returns the names of the first LabelInfo, and the places of their ids; topic: '' where the
    recording has one LabelInfo. Raises DataError."""
    lookup = np.full(65536, UNLABELED, np.uint8)
    known = sorted({c.topic for c in bag.connections if c.msgtype == LABEL_INFO})
    topic = topic or (known[0] if len(known) == 1 else '')
    connections = [c for c in bag.connections if c.topic == topic]
    for connection, _, raw in bag.messages(connections) if connections else ():
        classes = classes_of(bag.deserialize(raw, connection.msgtype))
        names = list(dict.fromkeys(c.name for c in classes))
        for c in classes:
            if 0 <= c.id < len(lookup):
                lookup[c.id] = names.index(c.name)
        return names, lookup
    raise DataError(
        f'{path} has no LabelInfo on {topic!r}, so the ids of the labels have no names; '
        f'--label-info may be {listed(known) if known else "a topic of vision_msgs/LabelInfo"}.'
    )


def slop_of(stamps: list[int], slop_ms: float | None) -> int:
    """Returns the largest distance in time: that of the option, or half a period."""
    if slop_ms is not None:
        return round(slop_ms * 1e6)
    return int(np.median(np.diff(stamps)) / 2) if len(stamps) > 1 else 0


def nearest(stamps: list[int], images: list[int], slop_ns: int) -> dict[int, int]:
    """Returns stamp → stamp of its image; each image gets the nearest one within slop_ns."""
    best: dict[int, int] = {}
    at = np.array(images, np.int64)
    for stamp in sorted(set(stamps)):
        image = int(at[np.abs(at - stamp).argmin()])
        if abs(image - stamp) <= slop_ns and (
            image not in best or abs(best[image] - image) > abs(stamp - image)
        ):
            best[image] = stamp
    return {stamp: image for image, stamp in best.items()}


def report(task: str, topic: str, plan: Plan, slop_ns: int, path: Path, account: Account) -> None:
    """Raises DataError where nothing of a topic belongs to any image."""
    matched, count = plan.image_of[topic], len(plan.stamps)
    if not matched:
        raise DataError(
            f'{path}: 0 of {count} images have a message on {topic} within {slop_ns / 1e6:g} ms; '
            'choose another topic, or a larger --slop-ms.'
        )
    apart_ms = max(abs(stamp - image) for stamp, image in matched.items()) / 1e6
    if len(matched) < count or apart_ms:
        account.remark(
            f'{task}: {len(matched)} of {count} images have a message on {topic}, up to '
            f'{apart_ms:g} ms apart.'
        )


def frames_of(path: Path, plan: Plan, every: int) -> Iterator[LabelledFrame]:
    """Holds only incomplete frames, so that long recordings fit into memory."""
    images = plan.image_of | {plan.image: {t: t for t in plan.stamps}}
    expected = Counter(stamp for each in images.values() for stamp in each.values())
    waiting: dict[int, dict[str, Any]] = {stamp: {} for stamp in plan.stamps[::every]}
    with open_bag(path) as bag:
        for connection, _, raw in bag.messages([c for c in bag.connections if c.topic in images]):
            stamp_ns = images[connection.topic].get(stamp_ns_of(bag, raw))
            if stamp_ns in waiting:
                messages = waiting[stamp_ns]
                messages[connection.topic] = bag.deserialize(raw, connection.msgtype)
                if len(messages) == expected[stamp_ns]:
                    yield frame_of(stamp_ns, waiting.pop(stamp_ns), plan)
    for stamp_ns, messages in waiting.items():
        if plan.image in messages:
            yield frame_of(stamp_ns, messages, plan)


def frame_of(stamp_ns: int, messages: dict[str, Any], plan: Plan) -> LabelledFrame:
    found = LabelledFrame(str(stamp_ns), pixels(messages[plan.image]), plan.camera)
    for task, topic in plan.parts.items():
        if topic in messages:
            result = result_of(task, messages[topic], ())
            if isinstance(result, LabelMap):
                found.labels = plan.lookup[result.labels]
            elif isinstance(result, DepthMap):
                found.depth_m = result.depth_m
            elif isinstance(result, Boxes3D):
                found.boxes = result
    return found


def intrinsics_of(info: Any) -> Intrinsics | None:
    """Returns the intrinsics; None if the camera is not calibrated."""
    if not info.k[0] > 0:
        return None
    return Intrinsics(info.width, info.height, info.k[0], info.k[4], info.k[2], info.k[5])
