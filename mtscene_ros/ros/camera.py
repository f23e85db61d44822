"""One camera: the newest serialized image goes to the mailbox, camera_info is cached."""

from __future__ import annotations

import struct
from collections.abc import Callable

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.camera_frames import CameraFrames, Remark
from mtscene_ros.ros import qos
from mtscene_ros.ros.cdr import image_view
from mtscene_ros.types import CameraFrame


class CameraInput:
    """Subscribes to `image` (or `image/compressed`) and its sibling camera_info, below the
    camera's name if it has one. Raises QosError.

    put: called from the executor's thread with the camera's name, the serialized image and its
    stamp.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        is_rectified: bool,
        put: Callable[[str, bytes, int], None],
        incompatible: qos.Incompatible,
    ) -> None:
        transport = node.get_parameter('image_transport').value
        self.image_topic, self.info_topic = input_topics(node, name, transport)
        self._name, self._put = name, put
        self._frames = CameraFrames(name, self.info_topic, is_rectified)
        self._image_type = CompressedImage if transport == 'compressed' else Image
        self._subscriptions = []
        # camera_info first: of two messages that wait, the executor serves the older subscription.
        for message, topic, callback, raw in (
            (CameraInfo, self.info_topic, self._on_camera_info, False),
            (self._image_type, self.image_topic, self._on_image, True),
        ):
            with qos.explained(topic):
                subscription = node.create_subscription(
                    message,
                    topic,
                    callback,
                    qos.inputs(),
                    qos_overriding_options=qos.overridable(),
                    event_callbacks=incompatible.of_subscription(topic),
                    raw=raw,
                )
            self._subscriptions.append(subscription)

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

    def frame(self, serialized: bytes) -> tuple[CameraFrame, list[Remark]]:
        """Serialized image → frame, and what limits its use.

        Copies of the pixels until here: the middleware's into `serialized`. Here: none of rgb8,
        one where the encoding is another or the image is compressed, one where the lens distorts.
        Raises ImageError.
        """
        found = image_view(serialized) if self._image_type is Image else None
        if found is not None:
            return self._frames.frame(*found)
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


def input_topics(node: Node, name: str, transport: str) -> tuple[str, str]:
    """Resolved image topic, and its sibling camera_info unless camera_info itself is remapped."""
    prefix = f'{name}/' if name else ''
    image_topic = node.resolve_topic_name(f'{prefix}image')
    info_topic = node.resolve_topic_name(f'{prefix}camera_info')
    if info_topic == node.resolve_topic_name(f'{prefix}camera_info', only_expand=True):
        info_topic = image_topic.rsplit('/', 1)[0] + '/camera_info'
    return image_topic + ('/compressed' if transport == 'compressed' else ''), info_topic
