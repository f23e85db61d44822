"""Reads a serialized sensor_msgs/Image in place; deserialize_message copies the pixels twice.

Every ROS 2 middleware sends CDR: four bytes that give the byte order, then the fields, each
aligned to its size; strings carry their length and end with a zero.
"""

from __future__ import annotations

import struct

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

BODY = 4  # the fields start here, and alignment counts from here
ORDERS = {b'\x00\x00': '>', b'\x00\x01': '<'}  # plain CDR only


class Cursor:
    """Moves from field to field.

    Raises struct.error and ValueError where the bytes end early or hold something else.
    """

    def __init__(self, serialized: bytes, order: str) -> None:
        self._bytes, self._order, self.at = serialized, order, BODY

    def number(self, code: str) -> int:
        """Reads a number; code: a format character of `struct`."""
        size = struct.calcsize(code)
        self.at += -(self.at - BODY) % size
        (value,) = struct.unpack_from(self._order + code, self._bytes, self.at)
        self.at += size
        return int(value)

    def text(self) -> str:
        """Reads a string."""
        size = self.number('I')
        end = self.at + size
        if size < 1 or end > len(self._bytes) or self._bytes[end - 1]:
            raise ValueError('not a string')
        found = self._bytes[self.at : end - 1].decode()
        self.at = end
        return found


def image_view(serialized: bytes) -> tuple[Image, NDArray[np.uint8]] | None:
    """Returns the message without its data, and its data as a (n,) uint8 view of `serialized`.

    None for bytes that are not plain CDR or are cut off; deserialize_message then decides.
    """
    order = ORDERS.get(serialized[:2])
    if order is None:
        return None
    cursor = Cursor(serialized, order)
    message = Image()
    try:
        sec, nanosec = cursor.number('i'), cursor.number('I')
        message.header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=cursor.text())
        message.height, message.width = cursor.number('I'), cursor.number('I')
        message.encoding, message.is_bigendian = cursor.text(), cursor.number('B')
        message.step, size = cursor.number('I'), cursor.number('I')
        return message, np.frombuffer(serialized, np.uint8, size, cursor.at)
    except (struct.error, ValueError):
        return None
