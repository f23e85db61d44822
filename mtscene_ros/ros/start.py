"""Starts ROS in this process, and says in one sentence why it cannot."""

from __future__ import annotations

import re
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
        if re.match(r'\[|failed to initialize rcl: .*(pars|argument)', str(error), re.DOTALL):
            raise StartError(refusal(str(error))) from error
        why = first_line(error)
        raise StartError(
            f'ROS cannot write its log ({why}); set ROS_LOG_DIR to a folder that can be written.'
            if 'log' in why
            else f'ROS cannot start ({why}); check the arguments after --ros-args, ROS_DOMAIN_ID '
            'and RMW_IMPLEMENTATION.'
        ) from error


def refusal(text: str) -> str:
    """Returns one sentence from what rcl says of arguments that it cannot use.

    It appends where in its sources that happened. Of arguments that are unknown it says the list.
    """
    if text.startswith('['):
        return f'ROS knows no arguments {text}.'
    first = ' '.join(re.sub(r', at /\S+:\d+', '', text).split())
    return f'{first.removeprefix("failed to initialize rcl: ").rstrip(".")}.'
