"""Recordings onto real topics and back, between processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.ros.message_types import message_class
from mtscene_ros.ros.playback import Pace
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence

from .conftest import Robot

MTSCENE = [sys.executable, '-m', 'mtscene_ros.cli']


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small generated frames."""
    path = tmp_path_factory.mktemp('drive') / 'drive.mcap'
    write_recording(path, map(moment_from_world, drive_sequence(4, 4, 10.0, 128, 64)))
    return path


def messages(path: Path, topic: str) -> list[tuple[str, bytes]]:
    """What the messages of one topic say, in order; arrays whole, which repr shortens."""
    with open_bag(path) as reader:
        found = [(c, raw) for c, _, raw in reader.messages() if c.topic == topic]
        printed = [reader.deserialize(raw, c.msgtype) for c, raw in found]
    return [(repr(m), bytes(getattr(m, 'data', b''))) for m in printed]


def test_recorded_again_every_message_is_the_same(drive: Path, tmp_path: Path) -> None:
    again = tmp_path / 'again.mcap'
    recorder = subprocess.Popen([*MTSCENE, 'record', '-o', str(again)])
    robot = Robot(outputs=())
    robot.wait(lambda: robot.node.get_node_names().count('mtscene_record') > 0)
    # The recorder subscribes to what it finds; the player waits for it and half a second more.
    subprocess.run([*MTSCENE, 'play', str(drive), '--rate', '0.5'], check=True)
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(PATIENCE_S) == 0
    robot.node.destroy_node()
    for topic in ('/camera/image_raw', '/camera/camera_info', '/truth/detections_3d'):
        assert messages(again, topic) == messages(drive, topic), topic
        assert len(messages(again, topic)) == 4


def test_nobody_there_is_one_sentence(drive: Path) -> None:
    command = [*MTSCENE, 'play', str(drive), '--remap', '/camera/image_raw:=/nobody']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert 'Nobody has subscribed to /nobody within 10 s' in done.stderr
    assert 'Traceback' not in done.stderr


def test_nothing_to_play_is_one_sentence(drive: Path) -> None:
    command = [*MTSCENE, 'play', str(drive), '--topics', '/nope']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert 'has no topic that can be played here; it contains /camera/camera_info' in done.stderr


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr('mtscene_ros.ros.playback.time.monotonic', lambda: now_s[0])
    assert Pace(0).delay_s(10**12) == 0
    half = Pace(0.5)
    assert half.delay_s(10**9) == 0  # the first is due at once
    now_s[0] = 101.5
    assert half.delay_s(3 * 10**9) == 2.5  # 2 s of the recording take 4 s
    assert not half.due(3 * 10**9)()
    assert half.due(17 * 10**8)()  # 0.7 s take 1.4 s


def test_message_classes() -> None:
    assert message_class('sensor_msgs/msg/Image').__name__ == 'Image'
    assert message_class('no_such_msgs/msg/Image') is None
    assert message_class('sensor_msgs/msg/NoSuch') is None
