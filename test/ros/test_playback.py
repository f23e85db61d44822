"""Recordings onto real topics and back, between processes."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rclpy
from patience import PATIENCE_S
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from mtscene_ros.recordings.bag_messages import maker
from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.ros.message_types import message_class
from mtscene_ros.ros.playback import Pace, PlayOptions, PlayReport, play
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


@pytest.fixture(scope='module')
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of clocks, 0.1 s apart, with labels of which the first are latched."""
    path = tmp_path_factory.mktemp('clocked') / 'clocked.mcap'
    with BagWriter(path) as writer:
        new = maker(writer.types)
        for i in range(6):
            tick = new('rosgraph_msgs/msg/Clock', clock=new('builtin_interfaces/msg/Time', sec=i))
            writer.write('/clock', 'rosgraph_msgs/msg/Clock', 10**8 * (i + 1), tick)
            text = new('std_msgs/msg/String', data=str(i))
            writer.write('/text', 'std_msgs/msg/String', 10**8 * (i + 1), text)
        label = new('vision_msgs/msg/LabelInfo', threshold=0.5)
        writer.write('/label_info', 'vision_msgs/msg/LabelInfo', 10**8, label)
    return path


def played(path: Path, **options: Any) -> tuple[PlayReport, list[str], list[int]]:
    """The report, the texts and the clocks that arrive, in nanoseconds."""
    node, texts, clocks = rclpy.create_node('played'), [], []
    every = QoSProfile(depth=100)
    node.create_subscription(String, '/text', lambda m: texts.append(m.data), every)
    node.create_subscription(
        Clock, '/clock', lambda m: clocks.append(10**9 * m.clock.sec + m.clock.nanosec), every
    )
    try:
        report = play(node, path, PlayOptions(**{'rate': 0.0, 'match_timeout_s': 9.0, **options}))
    finally:
        node.destroy_node()
    return report, texts, clocks


def test_our_clock_replaces_a_recorded_one(clocked: Path) -> None:
    report, texts, clocks = played(clocked, clock=True)
    assert report.clocks == ['/clock']
    assert texts == list('012345')
    assert sorted(set(clocks)) == [10**8 * (i + 1) for i in range(6)]  # the recording's times
    assert clocks == sorted(clocks)


def test_the_recorded_clock_is_played_where_ours_is_not_or_has_another_name(clocked: Path) -> None:
    report, _, clocks = played(clocked, topics=('/clock',))
    assert (report.clocks, clocks) == ([], [10**9 * i for i in range(6)])
    report, _, _ = played(clocked, clock=True, remap={'/clock': '/sim_clock'})
    assert (report.clocks, report.sent['/clock']) == ([], 6)


def test_a_part_is_played_after_what_was_latched_before_it(clocked: Path) -> None:
    report, texts, _ = played(clocked, start_s=0.2, duration_s=0.2)
    assert texts == ['2', '3']
    assert report.sent == {'/text': 2, '/clock': 2, '/label_info': 1}
    with pytest.raises(BagError, match=r'lasts 0\.5 s, so nothing of it comes after 2 s'):
        played(clocked, start_s=2.0)


def test_a_loop_plays_it_again_until_it_is_interrupted(clocked: Path) -> None:
    command = [*MTSCENE, 'play', str(clocked), '--loop', '--topics', '/text', '--rate', '4']
    robot, texts = Robot(outputs=()), []
    robot.node.create_subscription(String, '/text', lambda m: texts.append(m.data), 100)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    robot.wait(lambda: texts.count('5') == 2)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=PATIENCE_S)[0]
    robot.node.destroy_node()
    assert '5012345' in ''.join(texts)  # nobody waits for the listeners of a text
    assert (process.returncode, printed.endswith(' messages on 1 topic\n')) == (0, True)


def test_message_classes() -> None:
    assert message_class('sensor_msgs/msg/Image').__name__ == 'Image'
    assert message_class('no_such_msgs/msg/Image') is None
    assert message_class('sensor_msgs/msg/NoSuch') is None
