"""What takes how long on a machine that does nothing else: `make trust`. The ordinary tests count
events instead."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

import rclpy
from lifecycle_msgs.msg import Transition
from patience import PATIENCE_S
from ros.conftest import Robot, camera_info, rgb8
from ros.fleet import Fleet
from ros.test_services import change
from trust.tools import stored_model
from vision_msgs.msg import LabelInfo

from mtscene_ros.models.catalogue import BUNDLED_MODEL

pytestmark = pytest.mark.trust
Start = Callable[..., subprocess.Popen[str]]
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


def test_under_ten_times_the_load_images_are_as_old_as_one_more_takes(start_node: Start) -> None:
    """Old ones are dropped and counted."""
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


def test_class_maps_are_repeated_every_second(start_node: Start, fleet: Fleet) -> None:
    start_node()
    topic, got = '/perception/semantic/label_info', []
    fleet.wait(lambda: bool(fleet.node.count_publishers(topic)))
    fleet.node.create_subscription(LabelInfo, topic, got.append, 1)  # volatile: no latched one
    fleet.wait(lambda: len(got) == 3)
    stamps_s = [m.header.stamp.sec + m.header.stamp.nanosec / 1e9 for m in got]
    assert 0.5 < stamps_s[2] - stamps_s[1] < 2


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_model_is_loaded_ends_the_node_at_once(
    start_node: Start, fleet: Fleet, tmp_path: Path, number: int
) -> None:
    """Within the 5 s that `ros2 launch` gives; the loading would take ten minutes."""
    model = stored_model(tmp_path / 'm.npz', load_delay_s=600.0)
    process = start_node(model=model, backend='constant', autostart=False)
    assert change(fleet, Transition.TRANSITION_CONFIGURE)
    process.send_signal(number)
    begin_s = time.monotonic()
    process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - begin_s < 5
