"""One camera: the newest serialized image goes to the mailbox, camera_info is cached."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.camera_frames import CameraFrames
from mtscene_ros.types import CameraFrame

QOS_IN = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraInput:
    """Subscribes to `image` (or `image/compressed`) and its sibling camera_info, below the
    camera's name if it has one.

    put: called from the executor's thread with the camera's name, the serialized image and its
    stamp; tell: with a sentence about the connection.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        is_rectified: bool,
        put: Callable[[str, bytes, int], None],
        tell: Callable[[str], None],
    ) -> None:
        transport = node.get_parameter('image_transport').value
        self.image_topic, self.info_topic = input_topics(node, name, transport)
        self._name, self._put = name, put
        self._frames = CameraFrames(name, self.info_topic, is_rectified)
        self._image_type = CompressedImage if transport == 'compressed' else Image
        # camera_info first: of two messages that wait, the executor serves the older subscription.
        self._subscriptions = [
            node.create_subscription(
                message,
                topic,
                callback,
                QOS_IN,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=refused(topic, tell)),
                raw=raw,
            )
            for message, topic, callback, raw in (
                (CameraInfo, self.info_topic, self._on_camera_info, False),
                (self._image_type, self.image_topic, self._on_image, True),
            )
        ]

    @property
    def image_kind(self) -> str:
        """Type of its image messages, as the graph names it."""
        return f'sensor_msgs/msg/{self._image_type.__name__}'

    @property
    def has_camera_info(self) -> bool:
        """Whether one has come."""
        return self._frames.info is not None

    def close(self, node: Node) -> None:
        """Takes the subscriptions down."""
        for subscription in self._subscriptions:
            node.destroy_subscription(subscription)

    def frame(self, serialized: bytes) -> tuple[CameraFrame, list[str]]:
        """Serialized image → frame, and a sentence for each thing that limits its use.

        One copy of the pixels into the message (deserialize_message), one more where the encoding
        is not rgb8 or the lens distorts. Raises ImageError.
        """
        return self._frames.frame(deserialize_message(serialized, self._image_type))

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._frames.info = message

    def _on_image(self, serialized: bytes) -> None:
        self._put(self._name, serialized, stamp_ns_of(serialized))


def stamp_ns_of(serialized: bytes) -> int:
    """The stamp of a serialized message that begins with a header, without deserialising it: CDR
    has it after four bytes that tell the byte order."""
    if len(serialized) < 12:
        return 0
    sec, nanosec = struct.unpack_from('<iI' if serialized[1] & 1 else '>iI', serialized, 4)
    return int(sec) * 10**9 + int(nanosec)


def refused(topic: str, tell: Callable[[str], None]) -> Callable[[Any], None]:
    """What to say when a publisher's quality of service does not fit."""

    def on_incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        tell(
            f'{event.total_count} publishers of {topic} offer another {policy} than this node '
            f'asks for; put `qos_overrides.{topic}.subscription.{policy}` with their value into '
            'the parameter file.'
        )

    return on_incompatible


def input_topics(node: Node, name: str, transport: str) -> tuple[str, str]:
    """Resolved image topic, and its sibling camera_info unless camera_info itself is remapped."""
    prefix = f'{name}/' if name else ''
    image_topic = node.resolve_topic_name(f'{prefix}image')
    info_topic = node.resolve_topic_name(f'{prefix}camera_info')
    if info_topic == node.resolve_topic_name(f'{prefix}camera_info', only_expand=True):
        info_topic = image_topic.rsplit('/', 1)[0] + '/camera_info'
    return image_topic + ('/compressed' if transport == 'compressed' else ''), info_topic
