"""Feeds the live page from the topics of a node; subscribes to what a page looks at."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import uninstall_signal_handlers
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import Image

from mtscene_ros.camera.camera_frames import frame_from_image
from mtscene_ros.camera.draw import depth_rgb
from mtscene_ros.report.live_page import LiveState
from mtscene_ros.ros.node_client import as_dict, entries_of
from mtscene_ros.ros.process import let_signals_end_the_context

TOPICS = {'overlay': 'debug/overlay', 'depth': 'depth/image'}
PERIOD_S = 0.5  # of looking who looks
RATE_HZ, WIDTH_PX, DEPTH_MAX_M, QUALITY = 10.0, 960, 60.0, 80
# Best effort: a slow page must not hold up the node.
QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class LiveTopics:
    """Subscribes to a picture while a page wants it, so that the node computes nothing in vain."""

    def __init__(self, node: Node, name: str, state: LiveState) -> None:
        self._node, self._name, self._state = node, name, state
        self._subscriptions: dict[str, Any] = {}
        self._next_s = dict.fromkeys(TOPICS, 0.0)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_status, 10)
        node.create_timer(PERIOD_S, self._follow)

    def _follow(self) -> None:
        for picture, topic in TOPICS.items():
            is_wanted, known = self._state.is_wanted(picture), picture in self._subscriptions
            if is_wanted and not known:
                self._subscriptions[picture] = self._node.create_subscription(
                    Image, f'{self._name}/{topic}', self._listener(picture), QOS
                )
            elif known and not is_wanted:
                self._node.destroy_subscription(self._subscriptions.pop(picture))

    def _listener(self, picture: str) -> Any:
        def on_image(message: Image) -> None:
            now_s = time.monotonic()
            if now_s < self._next_s[picture]:
                return
            self._next_s[picture] = now_s + 0.8 / RATE_HZ  # frames jitter
            self._state.put(picture, jpeg_of(message))

        return on_image

    def _on_status(self, message: DiagnosticArray) -> None:
        found = entries_of(message, self._name)
        if found:
            self._state.status = [as_dict(entry) for entry in found]


def jpeg_of(message: Image) -> bytes:
    """Returns a colour or depth image as a JPEG of at most WIDTH_PX."""
    if message.encoding == '32FC1':
        values = np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
        return encoded(depth_rgb(narrow(values), DEPTH_MAX_M))
    return encoded(narrow(frame_from_image(message, None, '').rgb))


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    height, width = values.shape[:2]
    if width <= WIDTH_PX:
        return values
    size = WIDTH_PX, max(1, round(height * WIDTH_PX / width))
    how = cv2.INTER_AREA if values.ndim == 3 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(values, size, interpolation=how))


def encoded(rgb: NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def follow_live(name: str, state: LiveState) -> None:
    """Feeds the page until SIGINT or SIGTERM, with a ROS context and node of its own."""
    let_signals_end_the_context()
    rclpy.init()
    node = rclpy.create_node('mtscene_live')
    topics = LiveTopics(node, name, state)
    with contextlib.suppress(ExternalShutdownException):
        rclpy.spin(node)
    del topics
    uninstall_signal_handlers()
    node.destroy_node()
    try_shutdown()
