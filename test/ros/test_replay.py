"""A recording played over DDS by another process: all outputs for all frames, twice the same."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S

from mtscene_ros.models.catalogue import BUNDLED_MODEL

from .conftest import PER_FRAME, Robot

Start = Callable[..., subprocess.Popen[str]]


def mtscene(*arguments: str) -> None:
    """Runs the command line as its own process."""
    subprocess.run([sys.executable, '-m', 'mtscene_ros.cli', *arguments], check=True, timeout=600)


@pytest.fixture(scope='module')
def drive_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight generated frames."""
    path = tmp_path_factory.mktemp('drive') / 'drive.mcap'
    mtscene('convert', 'worlds', '--seed', '5', '--frames', '8', '-o', str(path))
    return path


@pytest.fixture(scope='module')
def kitti_bag(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """31 real frames."""
    path = tmp_path_factory.mktemp('kitti') / 'kitti.mcap'
    folder = str(shared / 'data' / 'kitti_tracking_0001')
    mtscene('convert', 'kitti', folder, '--sequence', '0001', '-o', str(path))
    return path


def comparable(message: Any) -> tuple[Any, ...]:
    """Everything in the message that must not change from run to run."""
    header = message.header
    content = bytes(message.data) if hasattr(message, 'data') else repr(message)
    return (header.stamp.sec, header.stamp.nanosec, header.frame_id, content)


def replay(start_node: Start, bag: Path, frames: int) -> dict[str, list[tuple[Any, ...]]]:
    """The node's outputs for one bag, played stepwise into a fresh node."""
    process = start_node(model=BUNDLED_MODEL, threads=2)
    robot = Robot()
    robot.wait_for_node()
    player = subprocess.Popen(
        [sys.executable, '-m', 'mtscene_ros.cli', 'play', str(bag), '--step',
         '/perception/detections_3d']
    )  # fmt: skip
    robot.wait(lambda: player.poll() is not None, timeout_s=600)
    assert player.returncode == 0
    robot.wait(lambda: all(len(robot.got[topic]) >= frames for topic in PER_FRAME))
    process.terminate()
    process.wait(PATIENCE_S)
    robot.node.destroy_node()
    stats = robot.stats()
    assert (stats.dropped, stats.failed) == (0, 0)
    return {topic: [comparable(m) for m in robot.got[topic]] for topic in PER_FRAME[:-1]}


def check(start_node: Start, bag: Path, first_stamp_s: int | None, frames: int) -> None:
    """Every output for every frame with the frame's own stamp; the same bits again."""
    first, second = (replay(start_node, bag, frames) for _ in range(2))
    stamps = [m[:2] for m in first['semantic/image']]
    assert len(set(stamps)) == frames
    assert first_stamp_s is None or stamps[0][0] == first_stamp_s
    for topic, messages in first.items():
        assert [m[:2] for m in messages] == stamps, topic
        assert {m[2] for m in messages} == {'camera_optical_frame'}, topic
        assert messages == second[topic], topic
    assert len({m[3] for m in first['depth/image']}) == frames  # another image, another answer


def test_generated_drive(start_node: Start, drive_bag: Path) -> None:
    check(start_node, drive_bag, 1_700_000_000, 8)


def test_real_kitti_sequence(start_node: Start, kitti_bag: Path) -> None:
    check(start_node, kitti_bag, None, 31)
