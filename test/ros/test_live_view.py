"""`mtscene view` beside the running node: what it publishes and what it looks at arrive."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtscene_ros.types import CameraFrame

from .conftest import Robot, camera_info, rgb8

pytest.importorskip('rerun', reason='rerun-sdk is not installed: nothing can be viewed')


def test_live_topics(
    start_node: Callable[..., object], robot: Robot, frame: CameraFrame, tmp_path: Path
) -> None:
    start_node()
    robot.wait_for_node()
    file = tmp_path / 'live.rrd'
    command = [sys.executable, '-m', 'mtscene_ros.cli', 'view', '-o', str(file)]
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    listens = robot.node.get_subscriptions_info_by_topic
    robot.wait(lambda: len(listens('/perception/detections_3d')) > 1)
    robot.wait(lambda: len(listens('/camera/image_raw')) > 1)
    robot.calibrate(camera_info(1))
    for k in range(10):
        robot.image.publish(rgb8(frame.rgb, k))
        robot.wait_a_moment(0.1)
    viewer.send_signal(signal.SIGINT)
    assert viewer.communicate(timeout=20)[0].strip() == str(file)
    print_it = [str(Path(sys.executable).with_name('rerun')), 'rrd', 'print', '-v', str(file)]
    shown = subprocess.run(print_it, check=True, capture_output=True, text=True).stdout
    wanted = ('camera', 'camera/image', 'camera/semantic', 'camera/depth', 'boxes')
    for name in (*wanted, 'latency_ms/infer', 'latency_ms/total'):
        assert f'/camera_optical_frame/{name} ' in shown, name
