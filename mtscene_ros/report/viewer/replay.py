"""Replays recordings of the node, of evaluations or of cameras alone into the viewer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader

from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.recordings.node_results import color_images
from mtscene_ros.report.viewer.entities import RerunLog

PREDICTIONS = 'predictions.mcap'  # in the folder of an evaluation


def bag_of(path: Path) -> Path:
    """Returns the recording in the folder of an evaluation; other paths stay as they are."""
    predictions = path / PREDICTIONS
    return predictions if predictions.exists() else path


def show_recordings(paths: list[Path], rerun_log: RerunLog) -> Iterator[tuple[int, int]]:
    """Shows recordings of one drive, joined by their stamps.

    Yields how many messages are done, and the total. Class maps are shown first, so that label
    images have names from the beginning. Raises BagError.
    """
    with ExitStack() as stack:
        bags = [stack.enter_context(open_bag(bag_of(path))) for path in paths]
        images = _images(bags, rerun_log)
        wanted = [[t for t in b.topics if t in images or rerun_log.row_of(t)] for b in bags]
        if not any(wanted):
            names = ', '.join(map(str, paths))
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


def _images(bags: Sequence[AnyReader], rerun_log: RerunLog) -> set[str]:
    """Returns one image topic per camera that has results, or per camera if there are none."""
    with_results = {
        _frame_id(bag, topic)
        for bag in bags
        for topic in bag.topics
        if topic.startswith(f'{rerun_log.node}/') and not topic.endswith('/label_info')
        if rerun_log.row_of(topic)
    }
    taken: dict[str, str] = {}
    for bag in bags:
        for topic in color_images(bag, without=rerun_log.node):
            frame_id = _frame_id(bag, topic)
            if not with_results or frame_id in with_results:
                taken.setdefault(frame_id, topic)
    return set(taken.values())


def _frame_id(bag: AnyReader, topic: str) -> str:
    connections = [c for c in bag.connections if c.topic == topic]
    for connection, _, raw in bag.messages(connections):
        message: Any = bag.deserialize(raw, connection.msgtype)
        return str(message.header.frame_id)
    return ''


def _show(bag: AnyReader, topics: list[str], images: Collection[str], rerun_log: RerunLog) -> None:
    for _ in _each(bag, topics, images, rerun_log):
        pass


def _each(
    bag: AnyReader, topics: list[str], images: Collection[str], rerun_log: RerunLog
) -> Iterator[None]:
    connections = [c for c in bag.connections if c.topic in topics]
    if not connections:  # rosbags takes an empty list for all topics
        return
    for connection, _, raw in bag.messages(connections):
        message = bag.deserialize(raw, connection.msgtype)
        rerun_log.show(connection.topic, message, is_image=connection.topic in images)
        yield
