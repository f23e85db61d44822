"""Ten times more frames than the node can process: old ones are dropped and counted."""

import subprocess
import time
from collections.abc import Callable

import numpy as np

from mtscene_ros.models.catalogue import BUNDLED_MODEL

from .conftest import Robot, camera_info, rclpy, rgb8

OUTPUTS = ('semantic/image', 'debug/frame_stats')
SECONDS = 4.0


def own_pace_s(robot: Robot, frames: int = 5) -> float:
    """Seconds the node needs for one frame when nothing else waits."""
    for _ in range(frames):
        seen = len(robot.got['debug/frame_stats'])
        robot.image.publish(rgb8(np.zeros((160, 320, 3), np.uint8), time.time_ns()))
        robot.wait(lambda seen=seen: len(robot.got['debug/frame_stats']) > seen)
    return float(np.median([total_s(s) for s in robot.got['debug/frame_stats'][1:]]))


def total_s(stats: object) -> float:
    """Processing time of one frame."""
    return sum(stage.duration_s for stage in stats.stages)


def flood(robot: Robot, rate_hz: float) -> int:
    """Publishes for SECONDS, returns how many frames."""
    image = rgb8(np.zeros((160, 320, 3), np.uint8), 0)
    start_s, sent = time.monotonic(), 0
    while time.monotonic() - start_s < SECONDS:
        stamp_ns = time.time_ns()
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        robot.image.publish(image)
        sent += 1
        rclpy.spin_once(
            robot.node, timeout_sec=max(0, start_s + sent / rate_hz - time.monotonic())
        )
    return sent


def test_newest_frame_wins_and_every_frame_is_accounted_for(
    start_node: Callable[..., subprocess.Popen[str]],
) -> None:
    start_node(model=BUNDLED_MODEL, threads=1)
    robot = Robot(outputs=OUTPUTS)
    robot.wait_for_node()
    robot.calibrate(camera_info(0, 320, 160))
    pace_s = own_pace_s(robot)
    before = robot.stats()
    sent = flood(robot, rate_hz=10 / pace_s)
    robot.wait_a_moment(1.0)
    last, ages_s = robot.stats(), [s.age_s for s in robot.got['debug/frame_stats'][6:]]
    slowest_s = max(total_s(s) for s in robot.got['debug/frame_stats'])
    robot.node.destroy_node()
    assert last.received == last.published + last.dropped
    assert last.received - before.received <= sent
    assert last.dropped > 2 * last.published  # it was an overload
    assert max(ages_s) <= 2 * slowest_s + 0.02  # + transport
