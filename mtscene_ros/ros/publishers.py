"""The node's publishers: per camera one for each topic that the model has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from mtscene_ros import messages
from mtscene_ros.outputs import label_info_topics, outputs_of
from mtscene_ros.ros.kinds import installed, new
from mtscene_ros.ros.worker import STATS
from mtscene_ros.spec import ModelSpec, classes_from_options

QOS_OUT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
QOS_STATS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
QOS_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Publishers:
    """All calls come from the executor's thread."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._of_camera: dict[str, dict[str, Any]] = {}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """camera → topic → publisher, for the worker: later changes do not reach it."""
        return {camera: dict(topics) for camera, topics in self._of_camera.items()}

    def announce(self, spec: ModelSpec, cameras: Sequence[str], *, is_active: bool) -> None:
        """What a model has, as far as it is not there."""
        wanted: dict[str, tuple[str, QoSProfile]] = {
            output.topic: (output.kind, QOS_OUT) for output in outputs_of(spec)
        }
        wanted[STATS] = 'mtscene_msgs/msg/FrameStats', QOS_STATS
        latched = 'vision_msgs/msg/LabelInfo', QOS_LATCHED
        wanted |= dict.fromkeys(label_info_topics(spec).values(), latched)
        for camera in cameras:
            topics = self._of_camera.setdefault(camera, {})
            for topic, (kind, qos) in wanted.items():
                if topic not in topics:
                    topics[topic] = self._made(camera, topic, kind, qos)
                    if is_active:
                        topics[topic].on_activate(None)

    def repeat_classes(self, spec: ModelSpec) -> None:
        """So that a bag that begins in the middle still holds the class maps."""
        header = messages.header(new, self._node.get_clock().now().nanoseconds, '')
        for task, topic in label_info_topics(spec).items():
            classes = classes_from_options(spec.tasks[task])
            message = messages.label_info(new, classes, header)
            for topics in self._of_camera.values():
                if topics[topic].is_activated:
                    topics[topic].publish(message)

    def clear(self) -> None:
        """Takes them down."""
        for topics in self._of_camera.values():
            for publisher in topics.values():
                self._node.destroy_lifecycle_publisher(publisher)
        self._of_camera = {}

    def _made(self, camera: str, topic: str, kind: str, qos: QoSProfile) -> Any:
        name = f'~/{camera}/{topic}' if camera else f'~/{topic}'
        overridable = QoSOverridingOptions.with_default_policies()
        return self._node.create_lifecycle_publisher(
            installed(kind), name, qos, qos_overriding_options=overridable
        )
