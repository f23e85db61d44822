"""A serialized sensor_msgs/Image read where it lies: deserialize_message copies the pixels twice.

CDR as all middlewares of ROS 2 send it: four bytes that tell the byte order, then the fields, each
aligned to its size, strings with their length and a zero at the end.
"""

from __future__ import annotations

import struct

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

BODY = 4  # where fields begin and alignment counts from
ORDERS = {b'\x00\x00': '>', b'\x00\x01': '<'}  # of plain CDR


class Cursor:
    """Goes from field to field. Raises struct.error and ValueError where the bytes end or are no
    such message."""

    def __init__(self, serialized: bytes, order: str) -> None:
        self._bytes, self._order, self.at = serialized, order, BODY

    def number(self, code: str) -> int:
        """code: of struct."""
        size = struct.calcsize(code)
        self.at += -(self.at - BODY) % size
        (value,) = struct.unpack_from(self._order + code, self._bytes, self.at)
        self.at += size
        return int(value)

    def text(self) -> str:
        """A string."""
        size = self.number('I')
        end = self.at + size
        if size < 1 or end > len(self._bytes) or self._bytes[end - 1]:
            raise ValueError('not a string')
        found = self._bytes[self.at : end - 1].decode()
        self.at = end
        return found


def image_view(serialized: bytes) -> tuple[Image, NDArray[np.uint8]] | None:
    """The message without its data, and (n,) uint8 of the data as a view of `serialized`; None for
    what is not plain CDR or is cut off, which deserialize_message may judge."""
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
