"""One camera: passes serialized images to the mailbox and keeps the latest camera_info."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.camera.camera_frames import RECTIFIED, CameraFrames, Remark
from mtscene_ros.camera.images import MAX_PIXELS, ImageError
from mtscene_ros.ros import qos
from mtscene_ros.ros.cdr import image_view
from mtscene_ros.ros.parameter_table import NodeParams
from mtscene_ros.types import CameraFrame


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Longer messages and larger images are refused before they cost memory."""

    max_message_bytes: int = 256_000_000
    max_pixels: int = MAX_PIXELS


def limits_of(params: NodeParams) -> InputLimits:
    """Returns the limits that the node's parameters set."""
    return InputLimits(round(1e6 * params.max_message_mb), round(1e6 * params.max_image_mpx))


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
        self._name, self._put = name, put
        self._limits = limits_of(params)
        self._frames = CameraFrames(
            name,
            self.info_topic,
            RECTIFIED[params.input_is_rectified],
            self._limits.max_pixels,
            self.image_topic,
        )
        self._image_type = CompressedImage if transport == 'compressed' else Image
        self._subscriptions = []
        # camera_info first: of two waiting messages the executor serves the older subscription's.
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
        """The type of the image messages, as the ROS graph names it."""
        return f'sensor_msgs/msg/{self._image_type.__name__}'

    @property
    def has_camera_info(self) -> bool:
        """Whether a camera_info has arrived."""
        return self._frames.info is not None

    def close(self, node: Node) -> None:
        """Unsubscribes."""
        for subscription in self._subscriptions:
            node.destroy_subscription(subscription)

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


def message_of(
    serialized: bytes, kind: type[Image] | type[CompressedImage], limits: InputLimits
) -> tuple[Any, NDArray[np.uint8] | None]:
    """Returns the message, and (n,) uint8 of its data where no copy is needed, else None.

    Raises ImageError.
    """
    if len(serialized) > limits.max_message_bytes:
        raise ImageError(
            f'An image message has {len(serialized)} bytes, more than max_message_mb allows '
            f'({limits.max_message_bytes}); raise the parameter or send smaller images.'
        )
    found = image_view(serialized) if kind is Image else None
    if found is not None:
        return found
    try:
        return deserialize_message(serialized, kind), None
    except (RuntimeError, MemoryError) as error:  # the middleware's own error is a RuntimeError
        raise ImageError(
            f'A message of {len(serialized)} bytes is not a sensor_msgs/msg/{kind.__name__} '
            f'({error}); check what publishes on this topic.'
        ) from None


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
        info_topic = image_topic.rsplit('/', 1)[0] + '/camera_info'
    return image_topic + ('/compressed' if transport == 'compressed' else ''), info_topic
