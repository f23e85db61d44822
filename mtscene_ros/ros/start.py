"""Starts ROS in this process, and says in one sentence why it cannot."""

from __future__ import annotations

from typing import Any

import rclpy

from mtscene_ros.models.array_file import first_line


class StartError(ValueError):
    """ROS cannot start; the message is one sentence with the fix."""


def start_ros(args: list[str] | None = None, **options: Any) -> None:
    """Calls rclpy.init. Raises StartError."""
    try:
        rclpy.init(args=args, **options)
    except Exception as error:  # of rclpy and of the middleware
        why = first_line(error)
        raise StartError(
            f'ROS cannot write its log ({why}); set ROS_LOG_DIR to a folder that can be written.'
            if 'log' in why
            else f'ROS cannot start ({why}); check the arguments after --ros-args, ROS_DOMAIN_ID '
            'and RMW_IMPLEMENTATION.'
        ) from error
