"""The view of a serialized image holds what rclpy's own deserialisation holds, without a copy."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from mtscene_ros.ros.cdr import image_view
from mtscene_ros.ros.image_bytes import copied


def image(frame_id: str, encoding: str = 'rgb8') -> Image:
    message = Image(encoding=encoding, width=3, height=2, step=11, is_bigendian=1)
    message.data = bytes(range(22))
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = -7, 999_999_999
    return message


@pytest.mark.parametrize('length', range(9))
@pytest.mark.parametrize('encoding', ['', 'rgb8', 'bgra8', 'yuv422_yuy2'])
def test_every_alignment(length: int, encoding: str) -> None:
    serialized = serialize_message(image('x' * length, encoding))
    found = image_view(serialized)
    assert found is not None
    message, data = found
    expected = deserialize_message(serialized, Image)
    assert bytes(data) == bytes(expected.data)
    expected.data = []
    assert message == expected
    assert np.shares_memory(data, np.frombuffer(serialized, np.uint8))


def test_big_endian_by_hand() -> None:
    body = bytes.fromhex('00000001 00000002 00000002 6100 0000 00000002 00000003')
    body += bytes.fromhex('00000006 6d6f6e6f3800 00 00 00000003 00000006 010203040506')
    found = image_view(b'\0\0\0\0' + body)
    assert found is not None
    message, data = found
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 2)
    assert (message.header.frame_id, message.encoding) == ('a', 'mono8')
    assert (message.height, message.width, message.step) == (2, 3, 3)
    assert data.tolist() == [1, 2, 3, 4, 5, 6]


def test_bytes_that_end_too_soon_or_are_no_image() -> None:
    serialized = serialize_message(image('camera'))
    for end in range(len(serialized) - 4):  # CDR may pad the end
        assert image_view(serialized[:end]) is None, end
    assert image_view(b'\0\x07\0\0' + serialized[4:]) is None
    rng = np.random.default_rng(0)
    for _ in range(2000):
        broken = bytearray(serialized)
        broken[int(rng.integers(4, 60))] = int(rng.integers(256))
        image_view(bytes(broken))  # raises nothing


class Elsewhere:
    """Bytes in another memory, as rosidl_buffer.Buffer of ROS 2 Lyrical hands them out."""

    def to_bytes(self) -> bytes:
        return bytes(range(4))


def test_bytes_in_another_memory_are_copied_and_rclpys_array_is_not() -> None:
    assert copied(Elsewhere()).tolist() == [0, 1, 2, 3]
    assert copied(Image().data) is None
