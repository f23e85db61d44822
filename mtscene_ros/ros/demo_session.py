"""Runs the node in a process of its own, plays a recording into it and records its outputs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mtscene_msgs.msg import FrameStats
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from mtscene_ros.camera.image_topics import camera_info_topic
from mtscene_ros.camera.outputs import (
    DEPTH_CAMERA_INFO,
    FRAME_STATS,
    label_info_topic,
    result_topic,
)
from mtscene_ros.models.child_process import module_command
from mtscene_ros.recordings.bags import BagError, BagWriter
from mtscene_ros.recordings.camera_choice import RecordedCamera
from mtscene_ros.recordings.node_results import TASKS_READ
from mtscene_ros.recordings.truth_topics import truth_label_info_topic, truth_topic
from mtscene_ros.ros.playback import PlayOptions, play
from mtscene_ros.ros.recorder import Recorder
from mtscene_ros.ros.start import start_ros
from mtscene_ros.terminal import StatusLine, live_text, plural, say

OUTPUTS = (
    *map(result_topic, TASKS_READ),
    'semantic/confidence',
    label_info_topic('semantic'),
    DEPTH_CAMERA_INFO,
    'debug/overlay',
    FRAME_STATS,
)
BESIDE = ('/tf', '/tf_static', truth_label_info_topic('semantic'))
TRUTH_TOPICS = tuple(map(truth_topic, TASKS_READ))
START_TIMEOUT_S = 60.0  # a large model may take long to load
LAST_FRAME_TIMEOUT_S = 10.0


class NodeError(BagError):
    """The node's process ended; the message is the last line that it logged."""


@dataclass(frozen=True, slots=True)
class DemoSession:
    """One run; bag: the recording to play; recording, log: files to write; model: '' for the
    bundled one; is_stepwise: each image waits for the answer to the last one, so that none is
    dropped."""

    bag: Path
    camera: RecordedCamera
    recording: Path
    log: Path
    model: str = ''
    is_stepwise: bool = False


def run_session(session: DemoSession) -> None:
    """Starts the node, plays and records, stops the node. Ctrl-C ends playback early.

    Raises NodeError, BagError.
    """
    with session.log.open('w') as log:
        process = subprocess.Popen(node_command(session), stdout=log, stderr=subprocess.STDOUT)
    start_ros(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('mtscene_demo')
    try:
        _wait_for_node(node, process, session.log)
        _play_and_record(node, session)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        node.destroy_node()
        try_shutdown()


def image_topic(camera: RecordedCamera) -> str:
    """Returns the topic to remap `image` to, without the suffix of its transport."""
    return camera.topic.removesuffix('/compressed')


def node_command(session: DemoSession) -> list[str]:
    """Returns the command with which a user would start the node by hand, and prints it."""
    transport = 'compressed' if session.camera.compressed else 'raw'
    arguments = ['-p', f'image_transport:={transport}']
    arguments += ['-p', f'model:={session.model}'] if session.model else []
    remapping = ['-r', f'image:={image_topic(session.camera)}']
    if session.camera.info not in ('', camera_info_topic(session.camera.topic)):
        remapping += ['-r', f'camera_info:={session.camera.info}']
    words = ['mtscene_ros.ros.node', '--ros-args', *arguments, *remapping]
    say(f'$ python -m {" ".join(words)}')
    return module_command(*words)


def _spin(node: Node, done: Callable[[], bool], timeout_s: float) -> bool:
    """Spins until done() or a timeout; returns whether it was done()."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if done():
            return True
        rclpy.spin_once(node, timeout_sec=0.05)
    return False


def _wait_for_node(node: Node, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the model is loaded: until then newer images replace those that wait."""
    loaded: list[bool] = []

    def on_diagnostics(message: DiagnosticArray) -> None:
        loaded.extend(
            True
            for status in message.status
            if status.name == '/perception: model' and status.level == DiagnosticStatus.OK
        )

    subscription = node.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, 10)

    def is_up() -> bool:
        if process.poll() is not None:
            lines = log.read_text().strip().splitlines() or ['it logged nothing']
            raise NodeError(f'The node ended with exit code {process.returncode}: {lines[-1]}')
        return bool(loaded and node.count_publishers(f'/perception/{FRAME_STATS}'))

    if not _spin(node, is_up, START_TIMEOUT_S):
        raise NodeError(f'The node did not start within {START_TIMEOUT_S:g} s; see {log}.')
    node.destroy_subscription(subscription)


def _play_and_record(node: Node, session: DemoSession) -> None:
    camera = session.camera
    image = image_topic(camera) + ('/compressed' if camera.compressed else '')
    info = camera.info or camera_info_topic(camera.topic)
    played = (camera.topic, info, *BESIDE, *TRUTH_TOPICS)
    outputs = [f'/perception/{name}' for name in OUTPUTS]
    options = PlayOptions(topics=played, remap={camera.topic: image})
    if session.is_stepwise:
        options = replace(options, rate=0.0, step_topic=f'/perception/{FRAME_STATS}')
    with BagWriter(session.recording) as writer:
        Recorder(node, writer, [image, info, *BESIDE, *TRUTH_TOPICS, *outputs, '/rosout'])
        counts = LiveCounts(node)
        how = ', each image once the last one is answered' if session.is_stepwise else ''
        say(f'Playing {camera.duration_s:.0f} s of recording{how}; Ctrl-C ends it early')
        try:
            report = play(node, session.bag, options)
            if report.unanswered:
                say(f'{plural(report.unanswered, "image")} without an answer; see {session.log}')
            _spin(node, counts.is_settled, LAST_FRAME_TIMEOUT_S)
        except KeyboardInterrupt:
            pass
        counts.line.end(counts.text())


class LiveCounts:
    """Shows the counts and latencies of frame_stats live."""

    def __init__(self, node: Node) -> None:
        self.line = StatusLine()
        self._arrived_s: list[float] = []
        self._total_s: list[float] = []
        self._counts = {'received': 0, 'published': 0, 'dropped': 0, 'failed': 0}
        node.create_subscription(
            FrameStats, f'/perception/{FRAME_STATS}', self._on_stats, QoSProfile(depth=100)
        )

    def _on_stats(self, stats: FrameStats) -> None:
        self._counts = {name: getattr(stats, name) for name in self._counts}
        if stats.stages:
            self._arrived_s.append(time.monotonic())
            self._total_s.append(sum(stage.duration_s for stage in stats.stages))
        self.line.show(self.text())

    def text(self) -> str:
        """Returns the current line."""
        return live_text(self._arrived_s, self._total_s, self._counts)

    def is_settled(self) -> bool:
        """Whether every frame is accounted for and the last statistics are one second old."""
        quiet_s = time.monotonic() - self._arrived_s[-1] if self._arrived_s else 0.0
        done = sum(self._counts[name] for name in ('published', 'dropped', 'failed'))
        return done == self._counts['received'] and quiet_s > 1.0
