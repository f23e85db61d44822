"""One camera: passes serialized images to the mailbox and keeps the latest camera_info."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.camera.camera_frames import RECTIFIED, CameraFrames, Remark
from mtscene_ros.camera.image_topics import camera_info_topic
from mtscene_ros.ros import offers, qos
from mtscene_ros.ros.camera_search import AUTO, CameraSearch, is_auto
from mtscene_ros.ros.image_bytes import InputLimits, limits_of, message_of
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.types import CameraFrame


class CameraInput:
    """Subscribes to `image` (or `image/compressed`) and its sibling camera_info, below the
    camera's name if it has one. Raises QosError.

    put: called from the executor's thread with the camera's name, the serialized image and its
    stamp in nanoseconds.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        params: NodeParams,
        put: Callable[[str, bytes, int], None],
        incompatible: qos.Incompatible,
    ) -> None:
        transport = params.image_transport
        self.image_topic, self.info_topic = input_topics(node, name, transport)
        self._name, self._put, self._incompatible = name, put, incompatible
        self._limits: InputLimits = limits_of(params)
        self._frames = CameraFrames(
            name,
            self.info_topic,
            RECTIFIED[params.input_is_rectified],
            self._limits.max_pixels,
            self.image_topic,
        )
        self._image_type: type[Image | CompressedImage] = Image
        if transport == 'compressed':
            self._image_type = CompressedImage
        prefix = f'{name}/' if name else ''
        self._named_topic = node.resolve_topic_name(f'{prefix}image')
        own = node.resolve_topic_name(f'{prefix}camera_info', only_expand=True)
        self._has_own_info = own != node.resolve_topic_name(f'{prefix}camera_info')
        self._search: CameraSearch | None = None
        if is_auto(params.image_topic, self._named_topic) and not name:
            self._search, self.image_topic = CameraSearch(node, self._limits), AUTO
        self._is_latched = False  # whether the subscription of camera_info takes an old message
        self._subscriptions: dict[str, Any] = {}
        # camera_info first: of two waiting messages the executor serves the older subscription's.
        if self._search is None:
            self._subscribe_camera_info(node)
            self._subscribe_image(node)

    def follow(self, node: Node) -> None:
        """Adapts the subscriptions to what is published meanwhile: an image of another type than
        `image_transport` says, a camera_info of another name or one that was latched before the
        node started, or with `image_topic: auto` the camera that is found."""
        try:
            if self._search is not None and not self._take_found(node, self._search):
                return
            self._follow_image(node)
            self._follow_camera_info(node)
        except qos.QosError as error:
            node.get_logger().error(str(error))

    def _follow_image(self, node: Node) -> None:
        kind = self._image_type.__name__
        other = offers.other_image(node, self._named_topic, self.image_topic, kind)
        if not other:
            return
        self._image_type = CompressedImage if other == 'CompressedImage' else Image
        self.image_topic = self._frames.image_topic = self._named_topic
        self._subscribe_image(node)
        node.get_logger().info(f'{self.image_topic} carries {other}, which is taken.')

    def _take_found(self, node: Node, search: CameraSearch) -> bool:
        """Subscribes to the best camera, once it is found; returns whether it is."""
        found = search.look(node)
        if found is None:
            return False
        self._search = None
        self.image_topic = self._named_topic = self._frames.image_topic = found.topic
        self._image_type = CompressedImage if found.is_compressed else Image
        self._set_info_topic(found.info or camera_info_topic(found.topic))
        self._subscribe_camera_info(node)
        self._subscribe_image(node)
        node.get_logger().info(self.listening)
        return True

    def _set_info_topic(self, topic: str) -> None:
        self.info_topic = self._frames.info_topic = topic

    def _follow_camera_info(self, node: Node) -> None:
        other = '' if self._has_own_info else offers.other_camera_info(node, self)
        if other:
            node.get_logger().info(
                f'Nobody publishes {self.info_topic}; {other} is taken as camera_info of '
                f'{self.image_topic}, unless camera_info is remapped.'
            )
            self._set_info_topic(other)
            self._subscribe_camera_info(node)
        latched = offers.is_latched(node, self.info_topic)
        if latched in (None, self._is_latched) or qos.is_chosen(node, self.info_topic):
            return
        self._is_latched = bool(latched)
        self._subscribe_camera_info(node)

    def _subscribe_camera_info(self, node: Node) -> None:
        profile = qos.latched_inputs() if self._is_latched else qos.inputs()
        self._subscribe(node, CameraInfo, self.info_topic, self._on_camera_info, profile)

    def _subscribe_image(self, node: Node) -> None:
        self._subscribe(node, self._image_type, self.image_topic, self._on_image, qos.inputs())

    def _subscribe(
        self,
        node: Node,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
    ) -> None:
        """Replaces the subscription of this callback."""
        role = callback.__name__
        # The options of a topic keep the values of its first subscription.
        options = None if profile == qos.latched_inputs() else qos.overridable()
        if role in self._subscriptions:  # first, as DDS allows one type only on a topic
            node.destroy_subscription(self._subscriptions.pop(role))
        with qos.explained(topic):
            self._subscriptions[role] = node.create_subscription(
                kind,
                topic,
                callback,
                profile,
                qos_overriding_options=options,
                event_callbacks=self._incompatible.of_subscription(topic),
                raw=kind is not CameraInfo,
            )

    @property
    def listening(self) -> str:
        """Says what the input listens to."""
        if self._search is not None:
            return 'Looking for a camera, because image_topic is auto'
        return f'Listening to {self.image_topic} and {self.info_topic}'

    @property
    def why_searching(self) -> str:
        """Says what the search for a camera has found so far, '' where there is none."""
        return self._search.sentence if self._search is not None else ''

    @property
    def image_kind(self) -> str:
        """The type of the image messages, as the ROS graph names it."""
        return f'sensor_msgs/msg/{self._image_type.__name__}'

    @property
    def has_camera_info(self) -> bool:
        """Whether a camera_info has arrived."""
        return self._frames.info is not None

    def close(self, node: Node) -> None:
        """Unsubscribes."""
        for subscription in self._subscriptions.values():
            node.destroy_subscription(subscription)
        if self._search is not None:
            self._search.close(node)

    def frame(self, serialized: bytes) -> tuple[CameraFrame, list[Remark]]:
        """Turns a serialized image into a frame and remarks on what limits its use.

        So far the pixels were copied once, by the middleware into `serialized`. An rgb8 image is
        not copied here; another encoding or a compressed image costs one copy, a distorting lens
        another. Raises ImageError.
        """
        return self._frames.frame(*message_of(serialized, self._image_type, self._limits))

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._frames.info = message

    def _on_image(self, serialized: bytes) -> None:
        self._put(self._name, serialized, stamp_ns_of(serialized))


def stamp_ns_of(serialized: bytes) -> int:
    """Reads the stamp of a serialized message that starts with a header.

    CDR puts it behind four bytes that give the byte order, so nothing is deserialised.
    """
    if len(serialized) < 12:
        return 0
    sec, nanosec = struct.unpack_from('<iI' if serialized[1] & 1 else '>iI', serialized, 4)
    return int(sec) * 10**9 + int(nanosec)


def input_topics(node: Node, name: str, transport: str) -> tuple[str, str]:
    """Returns the resolved image topic and that of camera_info.

    camera_info is the image topic's sibling unless it is remapped itself.
    """
    prefix = f'{name}/' if name else ''
    image_topic = node.resolve_topic_name(f'{prefix}image')
    info_topic = node.resolve_topic_name(f'{prefix}camera_info')
    if info_topic == node.resolve_topic_name(f'{prefix}camera_info', only_expand=True):
        info_topic = camera_info_topic(image_topic)
    return image_topic + ('/compressed' if transport == 'compressed' else ''), info_topic
