"""Chooses the camera of a recording and its camera_info: for demo, evaluate, report and view."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.camera.camera_info import described_size
from mtscene_ros.camera.camera_rank import (
    ImageTopic,
    InfoTopic,
    camera_info_of,
    others_sentence,
    ranked,
)
from mtscene_ros.camera.first_image import described
from mtscene_ros.camera.image_topics import camera_info_topic
from mtscene_ros.camera.outputs import (
    CAMERA_INFO,
    IMAGE,
)
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag
from mtscene_ros.recordings.nodes import nodes_in
from mtscene_ros.recordings.truth_topics import TRUTH

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
TRIES = 3  # messages of a topic that are looked at until one can be used


@dataclass(frozen=True, slots=True)
class RecordedCamera:
    """The chosen camera of a recording.

    info: its camera_info, '' where there is none; others: the topics that were not chosen; notes:
    sentences on the choice.
    """

    topic: str
    compressed: bool
    info: str
    duration_s: float
    others: tuple[str, ...]
    ros1: bool = False
    notes: tuple[str, ...] = ()

    @property
    def calibrated(self) -> bool:
        return bool(self.info)


def choose_camera(bag: Path, image: str = '', info: str = '') -> RecordedCamera:
    """Chooses a camera; image, info: topics that the user names, '' for the best ones.

    Raises BagError where the recording has no images for the node, or no such topic.
    """
    with open_bag(bag) as reader:
        return camera_of(reader, bag.name, image, info)


def camera_of(
    bag: CheckedReader, name: str, image: str = '', info: str = '', without: str = ''
) -> RecordedCamera:
    """Chooses a camera of an open recording.

    name: of the recording, for messages; image, info: topics that the user names; without: a node
    whose outputs are no cameras. Raises BagError.
    """
    images = image_topics(bag, without)
    ranking = ranked(images)
    best = named_image(bag, images, image) if image else next(iter(ranking), None)
    if best is None:
        raise BagError(no_camera(bag, name, images))
    notes = [] if image else [others_sentence(ranking, '--image TOPIC')]
    if info:
        check_there(bag, info)
    else:
        info, why = info_of(bag, best, images)
        notes.append(why)
    return RecordedCamera(
        best.topic,
        best.is_compressed,
        info,
        (bag.end_time - bag.start_time) * 1e-9,
        tuple(other.topic for other in ranking if other.topic != best.topic),
        not bag.is2,
        tuple(filter(None, (*bag.notes, *notes))),
    )


def info_of(bag: CheckedReader, image: ImageTopic, images: list[ImageTopic]) -> tuple[str, str]:
    """Returns the camera_info of an image and a sentence where that deserves one."""
    topics = {other.topic for other in images} - {image.topic}
    found, why = camera_info_of(image, info_topics(bag), topics)
    if found:
        return found, why and f'{why.removesuffix(".")}; --camera-info TOPIC chooses another.'
    return '', (
        f'There is no camera_info on {camera_info_topic(image.topic)}, so depth and boxes are not '
        'computed; record it, or name it with --camera-info.'
    )


def check_there(bag: CheckedReader, topic: str) -> None:
    """Raises BagError for a topic that the recording lacks or that cannot be read."""
    if topic in bag.left_out:
        raise BagError(f'{topic} cannot be read: {bag.left_out[topic]}.')
    if topic not in bag.topics:
        raise BagError(f'{topic} is not in the recording; it has {", ".join(bag.topics)}.')


def named_image(bag: CheckedReader, images: list[ImageTopic], topic: str) -> ImageTopic:
    """Returns the image topic that the user names. Raises BagError."""
    check_there(bag, topic)
    kind = bag.topics[topic].msgtype
    if kind not in (IMAGE, COMPRESSED):
        raise BagError(f'{topic} has messages of type {kind}, which are no images.')
    among = {image.topic: image for image in images}
    return among.get(topic, ImageTopic(topic, kind == COMPRESSED))


def no_camera(bag: CheckedReader, name: str, images: list[ImageTopic]) -> str:
    """Returns the sentence on a recording that has no image for the node."""
    if not bag.message_count and not bag.left_out:
        return 'The recording is empty; record the image topic.'
    if images:
        why = '; '.join(
            f'{image.topic} ({bag.topics[image.topic].msgtype}, {image.why_not.rstrip(".")})'
            for image in images
        )
        return f'{name} contains no camera images that can be used: {why}.'
    held = ', '.join(f'{t} ({i.msgtype})' for t, i in bag.topics.items()) or 'no topics'
    left_out = '; '.join(f'{topic} ({why})' for topic, why in bag.left_out.items())
    more = f'; left out: {left_out}' if left_out else ''
    return f'{name} contains no camera images, only {held}{more}; record the image topic as well.'


def color_images(bag: CheckedReader, without: str = '') -> list[str]:
    """Returns the topics whose images the node can use, best first; without: as in camera_of."""
    return [image.topic for image in ranked(image_topics(bag, without))]


def image_topics(bag: CheckedReader, without: str = '') -> list[ImageTopic]:
    """Returns the image topics that no perception node has published and that are not the truth,
    with their camera_info."""
    hidden = tuple(f'{node}/' for node in filter(None, (TRUTH, without, *nodes_in(bag))))
    kinds = {topic: about.msgtype for topic, about in bag.topics.items() if about.msgcount}
    wanted = [t for t, k in kinds.items() if k in (IMAGE, COMPRESSED) and not t.startswith(hidden)]
    found: dict[str, ImageTopic] = {}
    for topic, message in first_messages(bag, wanted):
        if topic not in found or found[topic].why_not:
            data = np.frombuffer(message.data, np.uint8)
            about = described(topic, message, data, is_compressed=kinds[topic] == COMPRESSED)
            found[topic] = replace(about, count=bag.topics[topic].msgcount)
    infos = info_topics(bag)
    for topic, image in found.items():
        info = camera_info_of(image, infos, found.keys() - {topic})[0]
        found[topic] = replace(image, info=info)
    return list(found.values())


def info_topics(bag: CheckedReader) -> list[InfoTopic]:
    """Returns the topics of camera_info."""
    wanted = [t for t, about in bag.topics.items() if about.msgtype == CAMERA_INFO]
    found = {topic: InfoTopic(topic) for topic in wanted}
    for topic, message in first_messages(bag, wanted, count=1):
        size_px = described_size(message)
        found[topic] = InfoTopic(topic, str(message.header.frame_id), size_px)
    return list(found.values())


def first_messages(
    bag: CheckedReader, topics: list[str], count: int = TRIES
) -> Iterator[tuple[str, Any]]:
    """Yields topic and message of the first messages of each topic that can be read."""
    left = {topic: min(count, bag.topics[topic].msgcount) for topic in topics}
    connections = [c for c in bag.connections if left.get(c.topic)]
    for connection, _, raw in bag.messages(connections) if connections else ():
        if left[connection.topic] > 0:
            left[connection.topic] -= 1
            with contextlib.suppress(BagError):
                yield connection.topic, bag.deserialize(raw, connection.msgtype)
        if not any(left.values()):
            return


def input_topic(
    bag: CheckedReader, name: str, stamps: Mapping[str, list[int]], result: str, node: str = ''
) -> str:
    """Returns the image topic that a topic of results belongs to, '' for the best camera. Raises
    BagError.

    Results have stamp and frame_id of their image; among topics with common stamps, those of that
    frame come first, then those with more common stamps, then the better camera.
    """
    images = image_topics(bag, node)
    ranking = ranked(images)
    if not ranking:
        raise BagError(no_camera(bag, name, images))
    first = first_messages(bag, [result] if result else [], count=1)
    frame_id = next((message.header.frame_id for _, message in first), '')
    answered = set(stamps.get(result, ()))

    def fit(image: ImageTopic) -> tuple[bool, int]:
        common = len(answered.intersection(stamps.get(image.topic, ())))
        return bool(common) and image.frame_id == frame_id, common

    return max(ranking, key=fit).topic
