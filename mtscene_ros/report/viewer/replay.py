"""Replays recordings of the node, of evaluations or of cameras alone into the viewer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from mtscene_ros.camera.image_topics import camera_info_topic
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag
from mtscene_ros.recordings.camera_choice import (
    check_there,
    color_images,
    image_topics,
    no_camera,
)
from mtscene_ros.recordings.node_results import stamp_ns_of
from mtscene_ros.recordings.nodes import nodes_in
from mtscene_ros.report.viewer.entities import RerunLog

PREDICTIONS = 'predictions.mcap'  # in the folder of an evaluation


def bag_of(path: Path) -> Path:
    """Returns the recording in the folder of an evaluation; other paths stay as they are."""
    predictions = path / PREDICTIONS
    return predictions if predictions.exists() else path


def show_recordings(
    paths: list[Path], rerun_log: RerunLog, image: str = ''
) -> Iterator[tuple[int, int]]:
    """Shows recordings of one drive, joined by their stamps.

    image: the only image topic to show, '' for that of each camera. Yields how many messages are
    done, and the total. Class maps are shown first, so that label images have names from the
    beginning. Raises BagError.
    """
    with ExitStack() as stack:
        bags = [stack.enter_context(open_bag(bag_of(path))) for path in paths]
        for sentence in (note for bag in bags for note in bag.notes):
            print(sentence, file=sys.stderr)
        rerun_log.node = rerun_log.node or common_node(bags)
        images = named_image(bags, image) if image else _images(bags, rerun_log)
        wanted = [[t for t in b.topics if t in images or rerun_log.row_of(t)] for b in bags]
        if not any(wanted):
            names = ', '.join(map(str, paths))
            if any(image_topics(bag) for bag in bags):
                raise BagError(no_camera(bags[0], names, image_topics(bags[0])))
            raise BagError(
                f'{names}: there are neither images nor topics of {rerun_log.node}; name the node '
                'with --node.'
            )
        for bag, topics in zip(bags, wanted, strict=True):
            _show(bag, [t for t in topics if t.endswith('/label_info')], images, rerun_log)
        parts = list(zip(bags, wanted, strict=True))
        total = sum(bag.topics[t].msgcount for bag, topics in parts for t in topics)
        done = 0
        # Images come before the maps, because maps are resized to their images.
        for kind in (True, False):
            for bag, topics in parts:
                for _ in _each(
                    bag, [t for t in topics if (t in images) == kind], images, rerun_log
                ):
                    done += 1
                    yield done, total


def common_node(bags: Sequence[CheckedReader]) -> str:
    """Returns the node whose results are recorded: with several cameras what is common to them."""
    nodes = sorted({node for bag in bags for node in nodes_in(bag)})
    if not nodes or any(node.startswith('/perception') for node in nodes):
        return '/perception'
    first, last = nodes[0].split('/'), nodes[-1].split('/')
    same = [a for a, b in zip(first, last, strict=False) if a == b]
    return '/'.join(same) or nodes[0]


def named_image(bags: Sequence[CheckedReader], topic: str) -> dict[str, str]:
    """Returns the topic that the user names. Raises BagError."""
    if not any(topic in bag.topics for bag in bags):
        check_there(bags[0], topic)
    return {topic: ''}


def _images(bags: Sequence[CheckedReader], rerun_log: RerunLog) -> dict[str, str]:
    """Returns one image topic for each camera that has results, or for each camera if there are
    none, with the name to show it under where its frame_id does not tell it from others."""
    with_results = {
        _frame_id(bag, topic): (bag, topic)
        for bag in bags
        for topic in bag.topics
        if topic.startswith(f'{rerun_log.node}/') and not topic.endswith('/label_info')
        if rerun_log.row_of(topic)
    }
    found: dict[str, list[str]] = {}  # frame_id → topics, one for each camera, best first
    for bag in bags:
        for topic in color_images(bag, without=rerun_log.node):
            frame_id = _frame_id(bag, topic)
            same = found.setdefault(frame_id, [])
            folders = {camera_info_topic(other) for other in same}
            is_new = camera_info_topic(topic) not in folders
            if (frame_id in with_results) if with_results else is_new:
                same.append(topic)
    if with_results:
        return {_answered(bags, t, *with_results[f]): '' for f, t in found.items() if t}
    return {t: t if k else '' for same in found.values() for k, t in enumerate(same)}


def _answered(
    bags: Sequence[CheckedReader], topics: list[str], of: CheckedReader, result: str
) -> str:
    """Returns the topic whose images a topic of results has answered; the first of equal ones."""
    if len(topics) == 1:
        return topics[0]
    stamps = {t: set().union(*(_stamps(bag, t) for bag in bags)) for t in topics}
    answered = _stamps(of, result)
    return max(topics, key=lambda topic: len(answered & stamps[topic]))


def _stamps(bag: CheckedReader, topic: str) -> set[int]:
    connections = [c for c in bag.connections if c.topic == topic]
    return (
        {stamp_ns_of(bag, raw) for _, _, raw in bag.messages(connections)}
        if connections
        else set()
    )


def _frame_id(bag: CheckedReader, topic: str) -> str:
    connections = [c for c in bag.connections if c.topic == topic]
    for _, _, message in bag.decoded(connections):
        return str(message.header.frame_id)
    return ''


def _show(
    bag: CheckedReader, topics: list[str], images: Mapping[str, str], rerun_log: RerunLog
) -> None:
    for _ in _each(bag, topics, images, rerun_log):
        pass


def _each(
    bag: CheckedReader, topics: list[str], images: Mapping[str, str], rerun_log: RerunLog
) -> Iterator[None]:
    connections = [c for c in bag.connections if c.topic in topics]
    if not connections:  # rosbags takes an empty list for all topics
        return
    for connection, _, message in bag.decoded(connections):
        topic = connection.topic
        rerun_log.show(topic, message, is_image=topic in images, camera=images.get(topic, ''))
        yield
