"""Shows live topics in the viewer: what the node publishes and the images it subscribes to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import uninstall_signal_handlers
from rclpy.utilities import try_shutdown

from mtscene_ros.report.viewer.entities import RerunLog
from mtscene_ros.ros.message_types import message_class
from mtscene_ros.ros.playback import IMAGE_TYPES
from mtscene_ros.ros.process import let_signals_end_the_context
from mtscene_ros.ros.start import start_ros

DISCOVERY_PERIOD_S = 0.5
# Best effort: a slow viewer must not hold up the node.
QOS = QoSProfile(depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
QOS_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class LiveView:
    """Subscribes to topics as they appear and shows their messages."""

    def __init__(self, node: Node, rerun_log: RerunLog) -> None:
        self._node, self._rerun_log = node, rerun_log
        self.subscriptions: dict[str, Any] = {}
        self.discover()
        self._timer = node.create_timer(DISCOVERY_PERIOD_S, self.discover)

    def discover(self) -> None:
        """Subscribes to the topics that are new since the last call."""
        images = self._images()
        for topic, types in self._node.get_topic_names_and_types():
            is_image = topic in images
            if topic not in self.subscriptions and (is_image or self._rerun_log.row_of(topic)):
                kind = message_class(types[0])
                qos = QOS_LATCHED if topic.endswith('/label_info') else QOS
                if kind is not None:
                    self.subscriptions[topic] = self._node.create_subscription(
                        kind, topic, self._on(topic, is_image), qos
                    )

    def _images(self) -> set[str]:
        """Returns the image topics that the viewed node subscribes to."""
        namespace, _, name = self._rerun_log.node.rpartition('/')
        try:
            found = self._node.get_subscriber_names_and_types_by_node(name, namespace or '/')
        except RuntimeError:  # NodeNameNonExistentError: the node has not started yet
            return set()
        return {topic for topic, types in found if types[0] in IMAGE_TYPES}

    def _on(self, topic: str, is_image: bool) -> Callable[[Any], None]:
        def on_message(message: Any) -> None:
            self._rerun_log.show(topic, message, is_image=is_image)

        return on_message


def show_live(rerun_log: RerunLog) -> None:
    """Shows live topics until SIGINT or SIGTERM, with a ROS context and node of its own."""
    let_signals_end_the_context()
    start_ros()
    node = rclpy.create_node('mtscene_view')
    view = LiveView(node, rerun_log)
    with contextlib.suppress(ExternalShutdownException):
        rclpy.spin(node)
    del view
    uninstall_signal_handlers()
    node.destroy_node()
    try_shutdown()
