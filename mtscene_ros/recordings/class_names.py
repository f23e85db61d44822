"""Classes of a recording: names from messages, colours by name."""

from __future__ import annotations

import colorsys
from typing import Any

from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.terminal import shown
from mtscene_ros.types import SemanticClass

MAX_NAME = 100  # characters of a name
_COLORS = {c.name: c.color_rgb for c in (*CITYSCAPES_19, *DRIVE_BOXES)}


def classes_of(label_info: Any) -> tuple[SemanticClass, ...]:
    return tuple(class_named(c.class_id, c.class_name) for c in label_info.class_map)


def class_named(class_id: int, name: str) -> SemanticClass:
    return SemanticClass(class_id, shown(name, MAX_NAME), color_of(class_id, name))


def color_of(class_id: int, name: str) -> tuple[int, int, int]:
    """Returns the colour of a class, which recordings do not contain.

    It is that of Cityscapes or the drive boxes; other names get a colour by their id.
    """
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.618 % 1, 0.6, 0.9)
    other = (round(255 * red), round(255 * green), round(255 * blue))
    return _COLORS.get(name, other)
