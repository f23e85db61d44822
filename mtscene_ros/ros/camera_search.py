"""Finds the best camera that is published, for `image_topic: auto`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from mtscene_ros.camera.camera_rank import (
    ImageTopic,
    InfoTopic,
    camera_info_of,
    others_sentence,
    ranked,
)
from mtscene_ros.camera.first_image import described
from mtscene_ros.camera.images import ImageError
from mtscene_ros.ros import offers, qos
from mtscene_ros.ros.image_bytes import InputLimits, message_of

AUTO = 'auto'
LOOK_S = 2.0  # from the first camera that can be used to the choice: others may start meanwhile
KINDS: dict[str, type[Image] | type[CompressedImage]] = {
    'sensor_msgs/msg/Image': Image,
    'sensor_msgs/msg/CompressedImage': CompressedImage,
}


def is_auto(parameter: str, image_topic: str) -> bool:
    """Whether the node looks for a camera: by its parameter, or because `image` is remapped to
    `auto`."""
    return parameter == AUTO or image_topic.rpartition('/')[2] == AUTO


class CameraSearch:
    """Listens to all image topics until it knows which is the camera.

    sentence: what has been found so far.
    """

    def __init__(self, node: Node, limits: InputLimits) -> None:
        self._limits = limits
        self._subscriptions: dict[str, Any] = {}
        self._found: dict[str, ImageTopic] = {}
        self._counts: Counter[str] = Counter()
        self._first_s: float | None = None
        self.sentence = 'image_topic is auto, and nobody publishes images.'

    def look(self, node: Node) -> ImageTopic | None:
        """Listens to new image topics; returns the best camera after LOOK_S, None before.

        Called from the executor's thread, about once a second.
        """
        for topic, kind in offers.published_topics(node, KINDS).items():
            if topic not in self._subscriptions:
                self._subscriptions[topic] = node.create_subscription(
                    KINDS[kind],
                    topic,
                    partial(self._on_image, topic, KINDS[kind]),
                    qos.inputs(),
                    raw=True,
                )
        ranking = ranked(self._with_info(node))
        if not ranking:
            self.sentence = self._why_none()
            return None
        self._first_s = self._first_s or time.monotonic()
        if time.monotonic() - self._first_s < LOOK_S:
            return None
        others = others_sentence(ranking, 'image:=TOPIC')
        node.get_logger().info(others or f'The camera is {ranking[0].topic}.')
        self.close(node)
        return ranking[0]

    def close(self, node: Node) -> None:
        """Unsubscribes."""
        for subscription in self._subscriptions.values():
            node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _on_image(self, topic: str, kind: type[Image] | type[CompressedImage], raw: bytes) -> None:
        self._counts[topic] += 1
        if topic in self._found and not self._found[topic].why_not:
            return
        try:
            message, data = message_of(raw, kind, self._limits)
        except ImageError as error:
            self._found[topic] = ImageTopic(topic, why_not=str(error))
            return
        pixels = np.frombuffer(message.data, np.uint8) if data is None else data
        is_compressed = kind is CompressedImage
        self._found[topic] = described(topic, message, pixels, is_compressed=is_compressed)

    def _with_info(self, node: Node) -> list[ImageTopic]:
        """Returns the topics that have sent something, with their camera_info and counts."""
        infos = [InfoTopic(topic) for topic in offers.published_topics(node, [offers.INFO])]
        found = []
        for topic, image in self._found.items():
            info = camera_info_of(image, infos, self._found.keys() - {topic})[0]
            found.append(replace(image, info=info, count=self._counts[topic]))
        return found

    def _why_none(self) -> str:
        if not self._subscriptions:
            return 'image_topic is auto, and nobody publishes images.'
        silent = self._subscriptions.keys() - self._found.keys()
        reasons = [f'{t} has sent nothing yet' for t in sorted(silent)]
        reasons += [f'{t}: {i.why_not.rstrip(".")}' for t, i in self._found.items()]
        return f'image_topic is auto, and no image can be used: {"; ".join(reasons)}.'
