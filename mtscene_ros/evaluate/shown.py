"""Chosen frames of an evaluated bag: image and truth read again from the bag, what the model said
from predictions.mcap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mtscene_ros.bags import open_bag
from mtscene_ros.evaluate.report_folder import PREDICTIONS, SequenceReport
from mtscene_ros.report_data import (
    TRUTH,
    TRUTH_TOPICS,
    ShownFrame,
    _frame,
    camera_info_topic,
    classes_of,
    color_images,
    result_of,
    stamp_ns_of,
)
from mtscene_ros.types import Result, Scene

NODE = '/perception'
TASK_TOPICS = {
    'semantic': 'semantic/image', 'depth': 'depth/image', 'boxes3d': 'detections_3d',
    'normals': 'normals/image', 'boundary': 'boundary/image', 'saliency': 'saliency/image',
    'parts': 'parts/image',
}  # fmt: skip


def shown_frames(
    of: SequenceReport, wanted: set[tuple[str, int]]
) -> Iterator[tuple[tuple[str, int], ShownFrame]]:
    keys = {stamp: key for key in wanted for stamp in [key[1]]}
    said = results(of.folder / PREDICTIONS, set(keys))
    with open_bag(of.bag) as bag:
        image_topic = color_images(bag)[0]
        truth = {f'{TRUTH}/{name}': task for task, name in TRUTH_TOPICS.items()}
        info = camera_info_topic(image_topic)
        found = defaultdict(dict)
        classes = ()
        for c, _, raw in bag.messages():
            if c.topic == '/truth/label_info':
                classes = classes_of(bag.deserialize(raw, c.msgtype))
            if c.topic in (image_topic, info, *truth):
                s = stamp_ns_of(bag, raw)
                if s in keys:
                    found[s][c.topic] = bag.deserialize(raw, c.msgtype)
        for s, key in keys.items():
            m = found[s]
            frame = _frame(m[image_topic], m.get(info), s)
            true = {t: result_of(t, m[topic], classes) for topic, t in truth.items() if topic in m}
            yield key, ShownFrame(Scene(frame, said[s]), true)


def results(path: Path, stamps: set[int]) -> dict[int, dict[str, Result]]:
    topics = {f'{NODE}/{name}': task for task, name in TASK_TOPICS.items()}
    found: dict[int, dict[str, Result]] = defaultdict(dict)
    classes = ()
    with open_bag(path) as bag:
        for c, _, raw in bag.messages():
            if c.topic == f'{NODE}/semantic/label_info':
                classes = classes_of(bag.deserialize(raw, c.msgtype))
            if c.topic in topics:
                s = stamp_ns_of(bag, raw)
                if s in stamps:
                    found[s][topics[c.topic]] = result_of(
                        topics[c.topic], bag.deserialize(raw, c.msgtype), classes
                    )
    return found
