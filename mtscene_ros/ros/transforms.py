"""Poses between frames at a time, from TF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.time import Time

from mtscene_ros.geometry import matrix_from_quaternion


class TransformsError(RuntimeError):
    """TF cannot be used here; one sentence."""


class Transforms:
    """Listens to /tf and /tf_static. Raises TransformsError where tf2_ros is missing."""

    def __init__(self, node: Node) -> None:
        try:
            import tf2_ros  # comes with a ROS installation only
        except ImportError as error:
            raise TransformsError(
                f'target_frame and tracking.frame need tf2_ros ({error}); install ros-$ROS_DISTRO-'
                "tf2-ros-py, or set target_frame: '' and tracking.frame: ''."
            ) from error
        self._errors: Any = tf2_ros.TransformException
        self._node, self._tf2_ros = node, tf2_ros
        self.clear()

    def clear(self) -> None:
        """Forgets all poses: time jumped back."""
        self._buffer = self._tf2_ros.Buffer()
        self._listener = self._tf2_ros.TransformListener(self._buffer, self._node)

    def target_from_source(
        self, target: str, source: str, stamp_ns: int
    ) -> tuple[NDArray[np.float64] | None, str]:
        """(4, 4) and '', or None and one sentence."""
        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns))
        except self._errors as error:
            return None, f'TF knows no way from {source!r} to {target!r} ({error}).'
        q, t = found.transform.rotation, found.transform.translation
        pose = np.eye(4)
        pose[:3, :3] = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
        pose[:3, 3] = t.x, t.y, t.z
        return pose, ''
