"""Fills serialized Image and PointCloud2 messages directly; rclpy publishes such bytes.

A message object costs four copies of a map: into its array, into the C message, into CDR, into the
middleware's memory. Here the map is copied once, behind a header of about a hundred bytes, and the
middleware copies that. Layout: plain CDR as in cdr.py; padding is zero, whereas rclpy leaves what
was in memory before.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message

from mtscene_ros.camera.messages import Octets
from mtscene_ros.ros import message_types
from mtscene_ros.ros.cdr import BODY

IMAGE, POINT_CLOUD = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/PointCloud2'
LITTLE_ENDIAN = b'\0\1\0\0'

# CPython's documented way to make bytes and fill them before anybody else sees them.
_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.restype, _new_bytes.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)
_content = ctypes.pythonapi.PyBytes_AsString
_content.restype, _content.argtypes = ctypes.c_void_p, (ctypes.py_object,)


class Fields:
    """Appends field after field; padding: the byte between them."""

    def __init__(self, padding: int = 0) -> None:
        self.content, self._padding = bytearray(LITTLE_ENDIAN), bytes([padding])

    def number(self, code: str, value: int) -> None:
        """Appends a number; code: a format character of `struct`. Raises struct.error."""
        gap = -(len(self.content) - BODY) % struct.calcsize(code)
        self.content += gap * self._padding + struct.pack('<' + code, value)

    def text(self, value: str) -> None:
        """Appends a string, which ends at its first zero as in C. Raises UnicodeError."""
        raw = value.split('\0', 1)[0].encode()
        self.number('I', len(raw) + 1)
        self.content += raw + b'\0'

    def header(self, header: Any) -> None:
        """Appends a std_msgs/Header."""
        self.number('i', header.stamp.sec)
        self.number('I', header.stamp.nanosec)
        self.text(header.frame_id)


def image(fields: dict[str, Any], padding: int = 0) -> bytes:
    """Serializes a sensor_msgs/Image from all its fields by name."""
    begin = Fields(padding)
    begin.header(fields['header'])
    begin.number('I', fields['height'])
    begin.number('I', fields['width'])
    begin.text(fields['encoding'])
    begin.number('B', fields['is_bigendian'])
    begin.number('I', fields['step'])
    return joined(begin, fields['data'].values, b'')


def point_cloud(fields: dict[str, Any], padding: int = 0) -> bytes:
    """Serializes a sensor_msgs/PointCloud2 from all its fields by name."""
    begin = Fields(padding)
    begin.header(fields['header'])
    begin.number('I', fields['height'])
    begin.number('I', fields['width'])
    begin.number('I', len(fields['fields']))
    for field in fields['fields']:
        begin.text(field.name)
        begin.number('I', field.offset)
        begin.number('B', field.datatype)
        begin.number('I', field.count)
    begin.number('B', fields['is_bigendian'])
    begin.number('I', fields['point_step'])
    begin.number('I', fields['row_step'])
    return joined(begin, fields['data'].values, bytes([fields['is_dense']]))


def joined(begin: Fields, values: NDArray[Any], end: bytes) -> bytes:
    """Returns one message of what comes before the array, its bytes and what comes behind."""
    begin.number('I', values.nbytes)
    first = len(begin.content)
    last = first + values.nbytes
    made: bytes = _new_bytes(None, last + len(end))
    # The view must not outlive this function.
    memory = np.ctypeslib.as_array((ctypes.c_ubyte * len(made)).from_address(_content(made)))
    memory[:first] = np.frombuffer(begin.content, np.uint8)
    if values.flags.c_contiguous:  # as bytes: gaps between the fields of a point are copied too
        memory[first:last] = values.reshape(-1).view(np.uint8)
    else:
        np.copyto(memory[first:last].view(values.dtype).reshape(values.shape), values)
    memory[last:] = np.frombuffer(end, np.uint8)
    return made


WRITERS: dict[str, Callable[[dict[str, Any], int], bytes]] = {
    IMAGE: image,
    POINT_CLOUD: point_cloud,
}


def new(kind: str, /, **fields: Any) -> Any:
    """Returns a serialized message of a type in WRITERS, an object of any other (messages.New)."""
    writer = WRITERS.get(kind)
    return message_types.new(kind, **fields) if writer is None else writer(fields, 0)


def differs(serialized: bytes, kind: str, fields: dict[str, Any]) -> bool:
    """Returns whether a writer makes other bytes than `serialized`, padding left aside."""
    zeros, ones = (np.frombuffer(WRITERS[kind](fields, fill), np.uint8) for fill in (0, 255))
    theirs = np.frombuffer(serialized, np.uint8)
    if len(theirs) != len(zeros):
        return True
    is_content = zeros == ones
    return bool((theirs != zeros)[is_content].any())


@cache
def is_usual() -> bool:
    """Returns whether this middleware serializes small samples exactly as the writers do.

    Where it does not, messages are made and published as objects.
    """
    header = message_types.new('std_msgs/msg/Header', frame_id='camera')
    field = message_types.new('sensor_msgs/msg/PointField', name='x', datatype=7, count=1)
    data = Octets(np.arange(6, dtype=np.uint8).reshape(2, 3))
    shape: dict[str, Any] = {'header': header, 'height': 2, 'width': 3, 'data': data}
    samples = {
        IMAGE: {**shape, 'encoding': 'mono8', 'is_bigendian': 0, 'step': 3},
        POINT_CLOUD: {**shape, 'fields': [field], 'is_bigendian': False, 'is_dense': True,
                      'point_step': 1, 'row_step': 3},
    }  # fmt: skip
    return not any(
        differs(serialize_message(message_types.new(kind, **fields)), kind, fields)
        for kind, fields in samples.items()
    )
