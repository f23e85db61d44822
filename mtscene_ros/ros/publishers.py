"""The node's publishers: for each camera, one for every topic that the model provides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

from mtscene_ros.camera import messages
from mtscene_ros.camera.outputs import FRAME_STATS, LABEL_INFO, label_info_topics, outputs_of
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.ros import qos
from mtscene_ros.ros.message_types import installed, new

STATS_DEPTH = 100  # a subscriber that sums up frames must not miss one when it is late


class Publishers:
    """Creates and removes publishers. All calls come from the executor's thread."""

    def __init__(self, node: LifecycleNode, incompatible: qos.Incompatible) -> None:
        self._node, self._incompatible = node, incompatible
        self._of_camera: dict[str, dict[str, Any]] = {}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Returns camera → topic → publisher for the worker; later changes do not reach it."""
        return {camera: dict(topics) for camera, topics in self._of_camera.items()}

    def advertise(self, spec: ModelSpec, cameras: Sequence[str], *, is_active: bool) -> None:
        """Creates the publishers of a model that do not exist yet. Raises QosError."""
        wanted = {output.topic: output.kind for output in outputs_of(spec)}
        wanted[FRAME_STATS] = 'mtscene_msgs/msg/FrameStats'
        wanted |= dict.fromkeys(label_info_topics(spec).values(), LABEL_INFO)
        for camera in cameras:
            topics = self._of_camera.setdefault(camera, {})
            for topic, kind in wanted.items():
                if topic not in topics:
                    topics[topic] = self._created(camera, topic, kind)
                    if is_active:
                        topics[topic].on_activate(None)

    def repeat_classes(self, spec: ModelSpec) -> None:
        """Publishes the class maps, so that a recording that starts late holds them too."""
        header = messages.header(new, self._node.get_clock().now().nanoseconds, '')
        for task, topic in label_info_topics(spec).items():
            classes = classes_from_options(spec.tasks[task])
            message = messages.label_info(new, classes, header)
            for topics in self._of_camera.values():
                if topics[topic].is_activated:
                    topics[topic].publish(message)

    def clear(self) -> None:
        """Removes all publishers."""
        for topics in self._of_camera.values():
            for publisher in topics.values():
                self._node.destroy_lifecycle_publisher(publisher)
        self._of_camera = {}

    def _created(self, camera: str, topic: str, kind: str) -> Any:
        name = f'~/{camera}/{topic}' if camera else f'~/{topic}'
        resolved = self._node.resolve_topic_name(name)
        with qos.explained(resolved):
            return self._node.create_lifecycle_publisher(
                installed(kind),
                name,
                profile_of(topic, kind),
                event_callbacks=self._incompatible.of_publisher(resolved),
                qos_overriding_options=qos.overridable(),
            )


def profile_of(topic: str, kind: str) -> QoSProfile:
    if topic == FRAME_STATS:
        return qos.outputs(depth=STATS_DEPTH)
    return qos.outputs(latched=kind == LABEL_INFO)
