"""rclpy's message classes by the names of their kinds."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from ament_index_python import get_resource


@cache
def message_class(kind: str) -> type | None:
    """'sensor_msgs/msg/Image' → its class, None where the package is not installed.

    The name may come from a recording or from another machine: only what ROS lists as a package of
    interfaces is imported.
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
    """Its class. Raises ImportError."""
    found = message_class(kind)
    if found is None:
        raise ImportError(f'The messages of {kind} are not installed; reinstall mtscene_ros.')
    return found


def new(kind: str, /, **fields: Any) -> Any:
    """A message with these fields and ROS's defaults in the others: messages.New."""
    return installed(kind)(**fields)
