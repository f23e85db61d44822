"""Poses between frames at a given time, from TF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from mtscene_ros.camera.geometry import matrix_from_quaternion
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.temporal.tracking import check_installed

# Odometry arrives at 20 to 100 Hz, so the pose for an image's stamp may come after the image.
PATIENCE = Duration(nanoseconds=50_000_000)


class TransformsError(RuntimeError):
    """TF cannot be used here; the message is one sentence."""


class Transforms:
    """Subscribes to /tf and /tf_static. Raises TransformsError where tf2_ros is missing."""

    def __init__(self, node: Node) -> None:
        try:
            import tf2_ros  # comes with a ROS installation only
        except ImportError as error:
            raise TransformsError(
                f'target_frame needs tf2_ros ({error}); install ros-$ROS_DISTRO-tf2-ros-py, or '
                "set target_frame: ''."
            ) from error
        self._errors: Any = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def clear(self) -> None:
        """Forgets all poses but the static ones, after time jumped back."""
        self._buffer.clear()

    def target_from_source(
        self, target: str, source: str, stamp_ns: int
    ) -> tuple[NDArray[np.float64] | None, str]:
        """Returns a (4, 4) pose and '', or None and one sentence.

        Waits for PATIENCE at most. Not to be called from the executor's thread, which receives
        the poses.
        """
        stamp = Time(nanoseconds=stamp_ns)
        try:
            # Without any connection between the frames, waiting would be in vain for every image.
            is_known = self._buffer.can_transform(target, source, Time())
            patience = PATIENCE if is_known else Duration()
            found = self._buffer.lookup_transform(target, source, stamp, patience)
        except (
            self._errors
        ) as error:  # its text contains times, which would make a new log line for every image
            why = type(error).__name__
            return (
                None,
                f'TF has no pose of {source!r} in {target!r} at the stamp of the image ({why}).',
            )
        q, t = found.transform.rotation, found.transform.translation
        pose = np.eye(4)
        pose[:3, :3] = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
        pose[:3, 3] = t.x, t.y, t.z
        return pose, ''


def wanted_transforms(node: Node, params: NodeParams) -> Transforms | None:
    """Opens TF where a parameter needs it.

    Raises TransformsError where `target_frame` is set and TF is missing, TrackingError where
    tracking is enabled and SciPy is missing.
    """
    if params.tracking_enabled:
        check_installed()
    if not (params.target_frame or (params.tracking_enabled and params.tracking_frame)):
        return None
    try:
        return Transforms(node)
    except TransformsError as error:
        if params.target_frame:
            raise
        node.get_logger().warning(f'{error} Objects are tracked in the camera frame instead.')
        return None
