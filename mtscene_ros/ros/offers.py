"""What publishers offer on the topics of a camera, as the ROS graph shows it.

A subscription takes what it asks for. Where nobody offers that, the camera of a robot may well
publish something else that would do, so its input follows it.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

KINDS = ('Image', 'CompressedImage')


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
