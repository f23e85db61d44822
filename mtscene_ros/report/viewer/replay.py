"""Recordings → the viewer: of the node's outputs, of an evaluation, of a camera alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader

from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.recordings.node_results import color_images
from mtscene_ros.report.viewer.entities import Shown

PREDICTIONS = 'predictions.mcap'  # of an evaluation


def bag_of(path: Path) -> Path:
    """The recording in the folder of an evaluation; any other path as it is."""
    predictions = path / PREDICTIONS
    return predictions if predictions.exists() else path


def show_recordings(paths: list[Path], shown: Shown) -> Iterator[tuple[int, int]]:
    """Shows recordings of one drive, joined by their stamps. Yields how many messages are done,
    and of how many. Raises BagError.

    Class maps come first: label images have names from the beginning.
    """
    with ExitStack() as stack:
        bags = [stack.enter_context(open_bag(bag_of(path))) for path in paths]
        images = _images(bags, shown)
        wanted = [[t for t in b.topics if t in images or shown.row_of(t)] for b in bags]
        if not any(wanted):
            names = ', '.join(map(str, paths))
            raise BagError(
                f'{names}: neither images nor topics of {shown.node}; see mtscene view --node.'
            )
        for bag, topics in zip(bags, wanted, strict=True):
            _show(bag, [t for t in topics if t.endswith('/label_info')], images, shown)
        parts = list(zip(bags, wanted, strict=True))
        total = sum(bag.topics[t].msgcount for bag, topics in parts for t in topics)
        done = 0
        # Images of all recordings before the maps: those take their size.
        for kind in (True, False):
            for bag, topics in parts:
                for _ in _each(bag, [t for t in topics if (t in images) == kind], images, shown):
                    done += 1
                    yield done, total


def _images(bags: Sequence[AnyReader], shown: Shown) -> set[str]:
    """One topic per camera that the node answered for; of all cameras without any answer."""
    answered = {
        _frame_id(bag, topic)
        for bag in bags
        for topic in bag.topics
        if topic.startswith(f'{shown.node}/') and not topic.endswith('/label_info')
        if shown.row_of(topic)
    }
    taken: dict[str, str] = {}
    for bag in bags:
        for topic in color_images(bag, without=shown.node):
            frame_id = _frame_id(bag, topic)
            if not answered or frame_id in answered:
                taken.setdefault(frame_id, topic)
    return set(taken.values())


def _frame_id(bag: AnyReader, topic: str) -> str:
    connections = [c for c in bag.connections if c.topic == topic]
    for connection, _, raw in bag.messages(connections):
        message: Any = bag.deserialize(raw, connection.msgtype)
        return str(message.header.frame_id)
    return ''


def _show(bag: AnyReader, topics: list[str], images: Collection[str], shown: Shown) -> None:
    for _ in _each(bag, topics, images, shown):
        pass


def _each(
    bag: AnyReader, topics: list[str], images: Collection[str], shown: Shown
) -> Iterator[None]:
    connections = [c for c in bag.connections if c.topic in topics]
    if not connections:  # rosbags takes an empty list for all topics
        return
    for connection, _, raw in bag.messages(connections):
        message = bag.deserialize(raw, connection.msgtype)
        shown.show(connection.topic, message, is_image=connection.topic in images)
        yield
