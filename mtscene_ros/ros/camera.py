"""One camera: the newest serialized image goes to the mailbox, camera_info is cached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.ros.messages import frame_from_image, intrinsics_from_camera_info
from mtscene_ros.types import CameraFrame

QOS_IN = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraInput:
    """Subscribes to `image` (or `image/compressed`) and its sibling camera_info.

    put: called from the executor's thread with the camera's name and the serialized image.
    """

    def __init__(
        self, node: Node, name: str, is_rectified: bool, put: Callable[[str, bytes], None]
    ) -> None:
        transport = node.get_parameter('image_transport').value
        self.image_topic, self.info_topic = input_topics(node, transport)
        self._name, self._is_rectified, self._put = name, is_rectified, put
        self._image_type = CompressedImage if transport == 'compressed' else Image
        self._info: CameraInfo | None = None
        overridable = QoSOverridingOptions.with_default_policies()
        # camera_info first: of two messages that wait, the executor serves the older subscription.
        self._info_subscription = node.create_subscription(
            CameraInfo,
            self.info_topic,
            self._on_camera_info,
            QOS_IN,
            qos_overriding_options=overridable,
        )
        self._image_subscription = node.create_subscription(
            self._image_type,
            self.image_topic,
            self._on_image,
            QOS_IN,
            qos_overriding_options=overridable,
            raw=True,
        )

    def close(self, node: Node) -> None:
        """Takes the subscriptions down."""
        node.destroy_subscription(self._image_subscription)
        node.destroy_subscription(self._info_subscription)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_image(self, serialized: bytes) -> None:
        self._put(self._name, serialized)

    def frame(self, serialized: bytes) -> tuple[CameraFrame, list[str]]:
        """Serialized image → frame, and a sentence for each thing that limits its use.

        Raises ImageError.
        """
        message = deserialize_message(serialized, self._image_type)
        frame = frame_from_image(message, None, self._name)
        if not frame.frame_id:
            return frame, [
                'The image has an empty frame_id, so no 3D output; set it in the driver.'
            ]
        info = self._info
        if info is None:
            return frame, [
                f'No camera_info on {self.info_topic} yet, so no depth and no boxes; '
                'publish it or remap camera_info.'
            ]
        height_px, width_px = frame.rgb.shape[:2]
        intrinsics, why_not = intrinsics_from_camera_info(
            info, width_px, height_px, self._is_rectified
        )
        warnings = [why_not] if why_not else []
        if info.header.frame_id != frame.frame_id:
            warnings.append(
                f'camera_info has frame_id {info.header.frame_id!r}, the image '
                f'{frame.frame_id!r}; the image wins.'
            )
        return replace(frame, intrinsics=intrinsics), warnings


def input_topics(node: Node, transport: str) -> tuple[str, str]:
    """Resolved image topic, and its sibling camera_info unless camera_info itself is remapped."""
    image_topic = node.resolve_topic_name('image')
    info_topic = node.resolve_topic_name('camera_info')
    if info_topic == node.resolve_topic_name('camera_info', only_expand=True):
        info_topic = image_topic.rsplit('/', 1)[0] + '/camera_info'
    return image_topic + ('/compressed' if transport == 'compressed' else ''), info_topic
