"""rclpy's message classes by the names of their types."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from ament_index_python import get_resource

from mtscene_ros.camera.messages import Octets


@cache
def message_class(kind: str) -> type | None:
    """'sensor_msgs/msg/Image' → its class, None where the package is not installed.

    The name may come from a recording or another machine, so that only packages which ROS lists as
    interface packages are imported.
    """
    package, name = kind.split('/')[0], kind.split('/')[-1]
    if not re.fullmatch('[a-z][a-z0-9_]*', package):
        return None
    try:
        get_resource('rosidl_interfaces', package)
    except (LookupError, OSError):
        return None
    try:
        found = getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        return None
    return found if isinstance(found, type) else None


def installed(kind: str) -> type:
    """Returns the class of a message type. Raises ImportError."""
    found = message_class(kind)
    if found is None:
        raise ImportError(f'The message type {kind} is not installed; reinstall mtscene_ros.')
    return found


def new(kind: str, /, **fields: Any) -> Any:
    """Returns a message with these fields and ROS's defaults elsewhere (see messages.New)."""
    octets = {name: value for name, value in fields.items() if isinstance(value, Octets)}
    message = installed(kind)(**{k: v for k, v in fields.items() if k not in octets})
    for name, value in octets.items():  # the constructor would copy them once more
        setattr(message, name, value.copied())
    return message
