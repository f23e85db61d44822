"""Bytes of any kind on the node's own topics, over real DDS: every one is in the account."""

import os
import random
import subprocess
import threading
from collections.abc import Callable

import pytest
from ros.conftest import Robot, _context, rgb8, start_node  # noqa: F401 fixtures
from sensor_msgs.msg import CompressedImage, Image

from mtscene_ros.types import CameraFrame

from .fuzz_child import mutated
from .fuzz_messages import compressed, encoded_seeds, image_seeds, info_seeds

Start = Callable[..., subprocess.Popen[str]]
OUTPUTS = ('debug/frame_stats', 'semantic/image', 'depth/image', 'detections_3d')


def started(start: Start, **parameters: object) -> subprocess.Popen[str]:
    """Somebody has to read what the node logs: a pipe that is full holds it up."""
    process = start(**parameters)
    assert process.stderr is not None
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process


def bombard(robot: Robot, seeds: list[bytes], count: int) -> None:
    """One at a time, so that none replaces another; calibrations in between. A message of no
    bytes at all does not leave the middleware."""
    made, infos = random.Random(count), info_seeds()
    stats = robot.got['debug/frame_stats']
    for number in range(1, count + 1):
        if number % 5 == 0:
            robot.info.publish(mutated(made, infos) or b'\0')
        data = mutated(made, seeds) or b'\0'
        seen = len(stats)
        robot.image.publish(data)
        robot.wait(lambda seen=seen: len(stats) > seen)
        now = robot.stats()
        assert (now.received, now.dropped) == (number, 0), data.hex()
        assert now.published + now.failed == number, data.hex()
        robot.got['semantic/image'].clear()
    assert min(now.published, now.failed) > count / 10  # both kinds were among them


def test_any_bytes_as_images(start_node: Start, frame: CameraFrame) -> None:  # noqa: F811
    process = started(start_node)
    robot = Robot(Image, OUTPUTS)
    robot.wait_for_node()
    bombard(robot, image_seeds(), 80)
    seen = len(robot.got['debug/frame_stats'])
    robot.image.publish(rgb8(frame.rgb, 7))
    robot.wait(lambda: len(robot.got['debug/frame_stats']) > seen)
    assert robot.stats().published + robot.stats().failed == 81
    assert process.poll() is None
    robot.node.destroy_node()


@pytest.mark.trust
@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_any_bytes_for_long(start_node: Start, transport: str) -> None:  # noqa: F811
    process = started(start_node, image_transport=transport)
    is_raw = transport == 'raw'
    robot = Robot(Image if is_raw else CompressedImage, OUTPUTS)
    robot.wait_for_node()
    seeds = image_seeds() if is_raw else [compressed('jpeg', d) for d in encoded_seeds()]
    bombard(robot, seeds, round(10_000 * float(os.environ.get('TRUST_SCALE', '1'))))
    assert process.poll() is None
    robot.node.destroy_node()
