"""`image_topic: auto` takes the camera that every other tool would take, and its camera_info."""

import subprocess
from collections.abc import Callable

import numpy as np
from mtscene_msgs.msg import FrameStats
from rcl_interfaces.msg import Log
from sensor_msgs.msg import CameraInfo, Image

from .conftest import Robot, camera_info, log_of, rgb8, stamp

Start = Callable[..., subprocess.Popen[str]]
GREY = np.full((32, 64, 3), 90, np.uint8)


def infrared(stamp_ns: int) -> Image:
    message = Image(encoding='mono8', height=32, width=64, step=64, data=bytes(32 * 64))
    stamp(message, stamp_ns)
    return message


def test_the_best_camera_is_found_with_its_camera_info(start_node: Start, robot: Robot) -> None:
    """The colour image of three topics; its camera_info lies below it, as MultiSense has it."""
    robot.node.destroy_publisher(robot.info)
    below = robot.node.create_publisher(CameraInfo, '/camera/image_raw/camera_info', 1)
    ir = robot.node.create_publisher(Image, '/ir/image_raw', 1)
    depth = robot.node.create_publisher(Image, '/depth/image_raw', 1)
    process = start_node(image_topic='auto')
    for number in range(1, 300):
        below.publish(camera_info(number))
        robot.image.publish(rgb8(GREY, number))
        ir.publish(infrared(number))
        far = infrared(number)
        far.encoding, far.step, far.data = '16UC1', 128, bytes(2 * 32 * 64)
        depth.publish(far)
        robot.wait_a_moment(0.1)
        if robot.got['depth/image']:
            break
    log = log_of(process)
    assert robot.got['depth/image'][0].width == 64
    assert 'The camera is /camera/image_raw. Other image topics: /ir/image_raw (infrared)' in log
    assert 'Listening to /camera/image_raw and /camera/image_raw/camera_info' in log


def test_what_a_perception_node_publishes_is_no_camera(start_node: Start, robot: Robot) -> None:
    """Its images lie beside its frame_stats."""
    robot.node.destroy_publisher(robot.image)
    stats = robot.node.create_publisher(FrameStats, '/robot2/perception/debug/frame_stats', 1)
    label = robot.node.create_publisher(Image, '/robot2/perception/semantic/image', 1)
    logged: list[str] = []
    robot.node.create_subscription(Log, '/rosout', lambda log: logged.append(log.msg), 10)
    start_node(image_topic='auto')

    def is_told() -> bool:
        label.publish(infrared(1))
        return 'Image_topic is auto, and nobody publishes images.' in ''.join(logged)

    robot.wait(is_told)
    assert stats is not None
    assert '/robot2/' not in ''.join(logged)
