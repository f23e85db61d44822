"""`mtscene view` beside the running node: what it publishes and what it looks at arrive."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from patience import PATIENCE_S

from mtscene_ros.types import CameraFrame

from .conftest import Robot, camera_info, rgb8

pytest.importorskip('rerun', reason='rerun-sdk is not installed: nothing can be viewed')

LOOKED_AT = ('semantic/image', 'depth/image', 'detections_3d', 'debug/frame_stats')
SHOWN = ('camera', 'camera/image', 'camera/semantic', 'camera/depth', 'boxes')
TIMES = ('latency_ms/infer', 'latency_ms/total')


def entities(file: Path) -> list[str]:
    """Of SHOWN and TIMES, those that a recording holds, which may still be written."""
    command = [str(Path(sys.executable).with_name('rerun')), 'rrd', 'print', '-v', str(file)]
    shown = subprocess.run(command, capture_output=True, text=True).stdout
    return [name for name in (*SHOWN, *TIMES) if f'/camera_optical_frame/{name} ' in shown]


def test_live_topics(
    start_node: Callable[..., object], robot: Robot, frame: CameraFrame, tmp_path: Path
) -> None:
    start_node()
    robot.wait_for_node()
    file = tmp_path / 'live.rrd'
    command = [sys.executable, '-m', 'mtscene_ros.cli', 'view', '-o', str(file)]
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    listens = robot.node.get_subscriptions_info_by_topic
    topics = [f'/perception/{topic}' for topic in LOOKED_AT]
    robot.wait(lambda: all(len(listens(t)) > 1 for t in [*topics, '/camera/image_raw']))
    robot.calibrate(camera_info(1))
    numbers = count()

    def is_all_shown() -> bool:
        robot.image.publish(rgb8(frame.rgb, next(numbers)))
        robot.wait_a_moment(0.2)
        return entities(file) == [*SHOWN, *TIMES]

    robot.wait(is_all_shown)
    viewer.send_signal(signal.SIGINT)
    assert viewer.communicate(timeout=PATIENCE_S)[0].strip() == str(file)
    assert entities(file) == [*SHOWN, *TIMES]
