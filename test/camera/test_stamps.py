"""Stamps that are none: nanoseconds of more than a second, seconds beyond 32 bits."""

from types import SimpleNamespace

import numpy as np
import pytest

from mtscene_ros.camera.camera_frames import CameraFrames, Level
from mtscene_ros.camera.images import ImageError


def image(sec: int, nanosec: int) -> SimpleNamespace:
    """Two grey pixels."""
    header = SimpleNamespace(
        stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id='camera_optical_frame'
    )
    return SimpleNamespace(
        header=header, encoding='mono8', width=2, height=1, step=2, is_bigendian=0,
        data=np.zeros(2, np.uint8),
    )  # fmt: skip


def test_nanoseconds_of_more_than_a_second() -> None:
    """The stamp of the results is another way to write the same time."""
    frames = CameraFrames('', '/camera_info', True)
    frame, [remark, _] = frames.frame(image(5, 4_000_000_000))
    assert frame.stamp_ns == 9 * 10**9
    assert (remark.level, 'nanosec 4000000000, which must be below 10^9' in remark.text) == (
        Level.WARN, True,
    )  # fmt: skip
    assert len(frames.frame(image(5, 999_999_999))[1]) == 1


def test_seconds_beyond_32_bits_are_refused() -> None:
    frames = CameraFrames('', '/camera_info', True)
    assert frames.frame(image(2**31 - 1, 10**9 - 1))[0].stamp_ns == 2**31 * 10**9 - 1
    with pytest.raises(ImageError, match='is 2147483648 s, which no ROS message can hold'):
        frames.frame(image(2**31 - 1, 10**9))
