"""What publishers offer on the topics of a camera, as the ROS graph shows it.

A subscription takes what it asks for. Where nobody offers that, the camera of a robot may well
publish something else that would do, so its input follows it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from mtscene_ros.camera.image_topics import camera_info_topics
from mtscene_ros.camera.outputs import FRAME_STATS

KINDS = ('Image', 'CompressedImage')
IMAGES = tuple(f'sensor_msgs/msg/{kind}' for kind in KINDS)
INFO, STATS = 'sensor_msgs/msg/CameraInfo', 'mtscene_msgs/msg/FrameStats'


def other_image(node: Node, named: str, subscribed: str, kind: str) -> str:
    """Returns the type of the images on the topic that `image` is remapped to, where it is another
    one than the node subscribes to; '' where the node should stay with what it has.

    named: that topic; subscribed, kind: what the node subscribes to, which is `named` or, with
    image_transport: compressed, the topic below it.
    """
    if published(node, subscribed, kind):
        return ''
    others = [k for k in KINDS if (named, k) != (subscribed, kind) and published(node, named, k)]
    return others[0] if len(others) == 1 else ''


def published(node: Node, topic: str, kind: str) -> bool:
    """Whether somebody publishes sensor_msgs/msg/KIND there."""
    infos = node.get_publishers_info_by_topic(topic)
    return any(info.topic_type == f'sensor_msgs/msg/{kind}' for info in infos)


def is_latched(node: Node, topic: str) -> bool | None:
    """Whether all publishers keep their last message for late subscribers; None without any.

    A subscription that asks for the kept message gets nothing from a publisher that keeps none.
    """
    profiles = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    if not profiles:
        return None
    return all(
        profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        and profile.reliability == ReliabilityPolicy.RELIABLE
        for profile in profiles
    )


def published_topics(node: Node, kinds: Collection[str]) -> dict[str, str]:
    """Returns topic → type of all topics of these types that somebody publishes, without the
    outputs of perception nodes."""
    types = dict(node.get_topic_names_and_types())
    ending = f'/{FRAME_STATS}'
    outputs = tuple(
        f'{topic.removesuffix(ending)}/'
        for topic, names in types.items()
        if STATS in names and topic.endswith(ending)
    )
    own = f'{node.get_fully_qualified_name()}/'
    found = {
        topic: kind
        for topic, names in types.items()
        for kind in names
        if kind in kinds and not topic.startswith((own, *outputs))
    }
    return {topic: kind for topic, kind in found.items() if node.count_publishers(topic)}


def other_camera_info(node: Node, camera: Any) -> str:
    """Returns the topic of camera_info that takes the place of a usual one that nobody publishes:
    one of another usual name, or the only one that is not another camera's; '' for none.

    camera: a CameraInput.
    """
    if camera.has_camera_info or node.count_publishers(camera.info_topic):
        return ''
    there = published_topics(node, [INFO])
    for name in camera_info_topics(camera.image_topic):
        if name in there:
            return name
    images = published_topics(node, IMAGES).keys() - {camera.image_topic}
    taken = {name for image in images for name in camera_info_topics(image)[:2]}
    free = [topic for topic in there if topic not in taken]
    return free[0] if len(free) == 1 else ''
