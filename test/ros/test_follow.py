"""The node follows what is published: a latched camera_info, images of the other type."""

import subprocess
from collections.abc import Callable

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage

from .conftest import LATCHED, Robot, camera_info, log_of, rgb8, stamp

Start = Callable[..., subprocess.Popen[str]]
GREY = np.full((32, 64, 3), 90, np.uint8)


def test_a_camera_info_from_before_the_start_is_taken(start_node: Start, robot: Robot) -> None:
    robot.node.destroy_publisher(robot.info)
    latched = robot.node.create_publisher(CameraInfo, '/camera/camera_info', LATCHED)
    latched.publish(camera_info(1))  # once
    process = start_node()
    robot.wait(lambda: robot.image.get_subscription_count() > 0)
    sent = 0
    while not robot.got['depth/image']:
        sent += 1
        robot.image.publish(rgb8(GREY, sent))
        robot.wait_a_moment(0.2)
        assert sent < 300
    assert 'No message passes' not in log_of(process)


def test_the_type_decides_what_image_is(start_node: Start, robot: Robot) -> None:
    robot.node.destroy_publisher(robot.image)
    jpegs = robot.node.create_publisher(CompressedImage, '/camera/image_raw', 1)
    process = start_node()
    data = cv2.imencode('.jpg', GREY)[1].tobytes()
    for number in range(1, 300):
        message = CompressedImage(format='jpeg', data=data)
        stamp(message, number)
        jpegs.publish(message)
        robot.wait_a_moment(0.2)
        if robot.got['semantic/image']:
            break
    assert robot.got['semantic/image'][0].width == 64
    assert '/camera/image_raw carries CompressedImage, which is taken.' in log_of(process)
