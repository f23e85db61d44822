"""Images of a recording with the results that the node published for them, one after the other.

The results may lie in another recording, such as the predictions of an evaluation. They are
matched by stamp, and only those that wait for their image are kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.camera.images import ImageError
from mtscene_ros.camera.outputs import label_info_topic, result_topic
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag
from mtscene_ros.recordings.camera_choice import (
    camera_of,
    check_there,
    color_images,
    image_topics,
    input_topic,
    no_camera,
)
from mtscene_ros.recordings.class_names import classes_of
from mtscene_ros.recordings.image_sources import Tell, recorded_images
from mtscene_ros.recordings.node_results import TASKS_READ, result_of, stamp_ns_of, stamps_of
from mtscene_ros.recordings.nodes import node_of, nothing_of
from mtscene_ros.types import CameraFrame, Result, Scene, SemanticClass


@dataclass(slots=True, eq=False)
class AnsweredRecording:
    """What is matched with what.

    results, images: the recordings, which may be the same; topics: task → topic of its results;
    stamps: task → stamps of its results; rate_hz: of the images. `scenes` counts unanswered:
    images without a result; unreadable: images that cannot be decoded; elsewhere: images whose
    boxes are in another frame than the camera's; damage: sentences on damaged messages.
    """

    results: Path
    images: Path
    node: str
    image_topic: str
    topics: Mapping[str, str]
    stamps: Mapping[str, frozenset[int]]
    classes: tuple[SemanticClass, ...]
    total: int
    rate_hz: float
    notes: tuple[str, ...]
    unanswered: int = 0
    unreadable: int = 0
    elsewhere: int = 0
    damage: list[str] = field(default_factory=list)

    def scenes(self, tell: Tell) -> Iterator[tuple[float, Scene | None]]:
        """Yields seconds since the first image and the scene, None where there is no result."""
        with open_bag(self.images) as bag:
            camera = camera_of(bag, self.images.name, self.image_topic, without=self.node)
        with open_bag(self.results) as bag:
            waiting = WaitingResults(bag, self.topics, self.stamps)
            for image in recorded_images(self.images, replace(camera, notes=()), tell):
                try:
                    frame = image.read()
                except (ImageError, BagError):
                    self.unreadable += 1
                    yield image.time_s, None
                    continue
                messages = waiting.of(frame.stamp_ns)
                self.unanswered += not messages
                yield image.time_s, self._scene(frame, messages) if messages else None
            self.damage += bag.damage

    def _scene(self, frame: CameraFrame, messages: Mapping[str, Any]) -> Scene:
        boxes = messages.get('boxes3d')
        if boxes is not None and boxes.header.frame_id != frame.frame_id:
            self.elsewhere += 1
            messages = {task: m for task, m in messages.items() if task != 'boxes3d'}
        found: dict[str, Result] = {
            task: result_of(task, message, self.classes) for task, message in messages.items()
        }
        return Scene(frame, found)


class WaitingResults:
    """Reads the results of a node and keeps those whose image comes later."""

    def __init__(
        self,
        bag: CheckedReader,
        topics: Mapping[str, str],
        stamps: Mapping[str, frozenset[int]],
    ) -> None:
        self._bag, self._tasks = bag, {topic: task for task, topic in topics.items()}
        self._there, self._taken = stamps, set[int]()
        self._messages = bag.messages([c for c in bag.connections if c.topic in self._tasks])
        self._waiting: dict[int, dict[str, Any]] = {}

    def of(self, stamp_ns: int) -> dict[str, Any]:
        """Returns task → message for the image of this stamp; those of damaged messages lack."""
        if stamp_ns in self._taken:  # another image of the same stamp had them
            return {}
        self._taken.add(stamp_ns)
        wanted = {task for task, stamps in self._there.items() if stamp_ns in stamps}
        while wanted - self._waiting.get(stamp_ns, {}).keys():
            connection, _, raw = next(self._messages)
            of_ns = stamp_ns_of(self._bag, raw)
            if of_ns not in self._taken or of_ns == stamp_ns:
                task = self._tasks[connection.topic]
                self._waiting.setdefault(of_ns, {})[task] = connection, raw
        held = self._waiting.pop(stamp_ns, {})
        found = {task: self._bag.message(*message) for task, message in held.items()}
        return {task: message for task, message in found.items() if message is not None}


def answered_recording(
    results: Path, images: Path, node: str = '', image: str = ''
) -> AnsweredRecording:
    """Finds out which results belong to which images.

    node: whose results, '' to find one; image: topic of its images, '' to find it by stamps and
    frame. Raises BagError where there are no results or no images.
    """
    with open_bag(results) as bag:
        node, notes = node_of(bag, results.name, node)
        stamps = stamps_of(bag)
        topics = {task: f'{node}/{result_topic(task)}' for task in TASKS_READ}
        topics = {task: topic for task, topic in topics.items() if stamps.get(topic)}
        if not topics:
            raise BagError(nothing_of(bag, results.name, node))
        classes = recorded_classes(bag, node)
        notes = [*bag.notes, *notes]
    if 'semantic' in topics and not classes:
        del topics['semantic']
        notes.append(
            f'{node}/{label_info_topic("semantic")} is not recorded, so the labels have no names '
            'and are left out; record it as well.'
        )
    answers = {task: frozenset(stamps[topic]) for task, topic in topics.items()}
    with open_bag(images) as bag:
        shown = stamps if images == results else stamps_of(bag)
        if image:
            check_there(bag, image)
        elif images == results:
            image = input_topic(bag, images.name, stamps, next(iter(topics.values()), ''), node)
        else:
            image = most_answered(bag, images.name, shown, frozenset().union(*answers.values()))
        notes += [note for note in bag.notes if note not in notes]
    stamps_ns = sorted(set(shown.get(image, ())))
    steps_ns = np.diff(stamps_ns) if len(stamps_ns) > 1 else np.array([10**9])
    return AnsweredRecording(
        results, images, node, image, topics, answers, classes,
        len(shown.get(image, ())), 1e9 / float(np.median(steps_ns)), tuple(notes),
    )  # fmt: skip


def most_answered(
    bag: CheckedReader, name: str, stamps: Mapping[str, list[int]], answered: frozenset[int]
) -> str:
    """Returns the camera with the most answered images, of equal ones the better one. Raises
    BagError."""
    topics = color_images(bag)
    if not topics:
        raise BagError(no_camera(bag, name, image_topics(bag)))
    return max(topics, key=lambda topic: len(answered.intersection(stamps.get(topic, ()))))


def recorded_classes(bag: CheckedReader, node: str) -> tuple[SemanticClass, ...]:
    """Returns the class table of a node's labels, () where it is not recorded."""
    topic = f'{node}/{label_info_topic("semantic")}'
    for _, _, message in bag.decoded([c for c in bag.connections if c.topic == topic]):
        return classes_of(message)
    return ()
