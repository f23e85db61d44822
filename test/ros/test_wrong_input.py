"""Every kind of wrong input: one sentence in the log, a count, and the node goes on."""

import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from mtscene_ros.types import CameraFrame

from .conftest import Robot, camera_info, log_of, rgb8, stamp

Start = Callable[..., subprocess.Popen[str]]
STAMP_NS = 1_700_000_000_000_000_000

BAD_IMAGES: dict[str, tuple[dict[str, Any], str]] = {
    'encoding': ({'encoding': 'float64'}, "encoding 'float64' is not supported"),
    'truncated': ({'data': [0] * 100}, '100 bytes'),
    'empty': ({'width': 0, 'height': 0, 'step': 0, 'data': []}, 'size 0x0'),
    'step': ({'step': 7}, 'step is 7 bytes'),
    'huge': ({'width': 2**31, 'height': 2**31}, 'size 2147483648x2147483648'),
}


def send(robot: Robot, message: Any) -> Any:
    """Sends one image, returns the account after it."""
    seen = len(robot.got['debug/frame_stats'])
    robot.image.publish(message)
    robot.wait(lambda: len(robot.got['debug/frame_stats']) > seen)
    return robot.stats()


def test_bad_images(start_node: Start, robot: Robot, frame: CameraFrame) -> None:
    process = start_node()
    robot.wait_for_node()
    for number, (fields, _) in enumerate(BAD_IMAGES.values(), start=1):
        message = rgb8(frame.rgb, STAMP_NS)
        for name, value in fields.items():
            setattr(message, name, value)
        stats = send(robot, message)
        assert (stats.received, stats.failed, stats.published) == (number, number, 0)
    assert send(robot, rgb8(frame.rgb, STAMP_NS)).published == 1
    log = log_of(process)
    assert [s for _, s in BAD_IMAGES.values() if log.count(s) != 1] == []


def test_garbage_jpeg(start_node: Start, frame: CameraFrame) -> None:
    process = start_node(image_transport='compressed')
    robot = Robot(CompressedImage)
    robot.wait_for_node()
    message = CompressedImage(format='jpeg', data=b'\xff\xd8\xff' + bytes(100))
    stamp(message, STAMP_NS)
    assert send(robot, message).failed == 1
    robot.node.destroy_node()
    assert 'does not decode; it is damaged' in log_of(process)


@pytest.mark.parametrize(
    ('fx', 'word'),
    [(0.0, 'not calibrated'), (float('nan'), 'not calibrated'), (-5.0, 'calibrated')],
)
def test_bad_calibration(
    start_node: Start, robot: Robot, frame: CameraFrame, fx: float, word: str
) -> None:
    process = start_node()
    robot.wait_for_node()
    robot.calibrate(camera_info(STAMP_NS, fx=fx))
    assert send(robot, rgb8(frame.rgb, STAMP_NS)).published == 1
    robot.wait(lambda: bool(robot.got['semantic/image']))
    assert robot.got['depth/image'] == robot.got['detections_3d'] == []
    assert word in log_of(process)


def test_no_camera_info_then_one_of_another_size(
    start_node: Start, robot: Robot, frame: CameraFrame
) -> None:
    process = start_node()
    robot.wait_for_node()
    send(robot, rgb8(frame.rgb, STAMP_NS))
    robot.calibrate(camera_info(STAMP_NS, width=640, height=480))
    assert send(robot, rgb8(frame.rgb, STAMP_NS)).published == 2
    assert robot.got['depth/image'] == []
    log = log_of(process)
    assert 'No camera_info on /camera/camera_info yet' in log
    assert 'describes 640x480 px, the image has 64x32' in log


def test_frame_ids(start_node: Start, robot: Robot, frame: CameraFrame) -> None:
    process = start_node()
    robot.wait_for_node()
    robot.calibrate(camera_info(STAMP_NS))
    nameless = rgb8(frame.rgb, STAMP_NS)
    nameless.header.frame_id = ''
    send(robot, nameless)
    assert robot.got['detections_3d'] == []
    other = rgb8(np.ascontiguousarray(frame.rgb), STAMP_NS)
    other.header.frame_id = 'left_optical_frame'
    send(robot, other)
    robot.wait(lambda: bool(robot.got['detections_3d']))
    assert robot.got['detections_3d'][0].header.frame_id == 'left_optical_frame'
    log = log_of(process)
    assert 'empty frame_id' in log
    assert "'left_optical_frame'; the image wins" in log
