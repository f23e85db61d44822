"""rclpy's message classes by the names of their kinds."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def message_class(kind: str) -> type | None:
    """'sensor_msgs/msg/Image' → its class, None where the package is not installed."""
    package, *_, name = kind.split('/')
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
