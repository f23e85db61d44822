"""Plays a recording onto real topics: at its own rate, faster or stepwise. Needs no rosbag2."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown
from rosgraph_msgs.msg import Clock as ClockMessage

from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.ros.message_types import message_class
from mtscene_ros.ros.start import start_ros
from mtscene_ros.terminal import counted

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
LATCHED_TOPICS = ('/tf_static',)
SETTLE_S = 1.0  # discovery and transport go on for a moment after one side has finished


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How to play a recording.

    rate: 1 as recorded, 0 as fast as possible; step_topic: topic on which every image is
    acknowledged before the next message; topics: those to play, empty for all; remap: recorded
    name → published name; clock: publish /clock; match_timeout_s: how long to wait for a
    subscriber of the images; has_bar: show the progress.
    """

    rate: float = 1.0
    step_topic: str = ''
    step_timeout_s: float = 10.0
    topics: Collection[str] = ()
    remap: Mapping[str, str] = field(default_factory=dict)
    clock: bool = False
    match_timeout_s: float = 10.0
    has_bar: bool = False


@dataclass(slots=True)
class PlayReport:
    """What was played.

    sent: messages by topic; skipped: topic → its type, which is not installed; unanswered: images
    without an acknowledgement.
    """

    sent: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    unanswered: int = 0


class Player:
    """The publishers for one recording, and the listener for acknowledgements."""

    def __init__(self, node: Node, options: PlayOptions) -> None:
        self.report = PlayReport()
        self._node, self._options = node, options
        self._publishers: dict[str, Any] = {}
        self._answered: set[int] = set()  # stamps, in nanoseconds
        self._answers: Any = None
        self._clock = node.create_publisher(ClockMessage, '/clock', 1) if options.clock else None

    def announce(self, topic: str, type_name: str) -> None:
        """Creates the publisher of one recorded topic; an unknown type is counted as skipped.

        Raises BagError where the published name is not a topic name.
        """
        kind = message_class(type_name)
        if kind is None:
            self.report.skipped[topic] = type_name
            return
        durability = DurabilityPolicy.VOLATILE
        if topic in LATCHED_TOPICS or type_name.endswith('/LabelInfo'):
            durability = DurabilityPolicy.TRANSIENT_LOCAL
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        name = self._options.remap.get(topic, topic)
        try:
            self._publishers[topic] = self._node.create_publisher(kind, name, qos)
        except InvalidTopicNameException:
            raise BagError(
                f'{name[:80]!r} is not a topic name; choose another with --remap or --topics.'
            ) from None

    def listen(self) -> None:
        """Subscribes to the acknowledgements of stepwise playback. Raises BagError."""
        topic, timeout_s = self._options.step_topic, self._options.match_timeout_s
        if not self.wait_until(lambda: topic in self._types_by_topic(), timeout_s):
            raise BagError(
                f'Nobody has published {topic} within {timeout_s:g} s; start the node first.'
            )
        kind = message_class(self._types_by_topic()[topic])
        if kind is None:
            raise BagError(f'The message type of {topic} is not installed here.')
        qos = QoSProfile(depth=10)
        self._answers = self._node.create_subscription(kind, topic, self._on_answer, qos)
        self.wait_until(lambda: self._node.count_publishers(topic), timeout_s)

    def _types_by_topic(self) -> dict[str, str]:
        return {name: types[0] for name, types in self._node.get_topic_names_and_types()}

    def _on_answer(self, message: Any) -> None:
        self._answered.add(total_ns(message.header.stamp))

    def wait_until(self, done: Callable[[], Any], timeout_s: float) -> bool:
        """Spins until done() or a timeout; returns whether it was done()."""
        end_s = time.monotonic() + timeout_s
        while not done() and (left_s := end_s - time.monotonic()) > 0:
            rclpy.spin_once(self._node, timeout_sec=min(left_s, 0.05))
        return bool(done())

    def wait_for_listener(self, topics: Collection[str]) -> None:
        """Waits until one of the topics has a subscriber, then for the rest of discovery.

        Raises BagError after match_timeout_s.
        """
        publishers = [self._publishers[topic] for topic in topics]
        timeout_s = self._options.match_timeout_s
        if publishers and not self.wait_until(
            lambda: any(p.get_subscription_count() for p in publishers), timeout_s
        ):
            names = ', '.join(p.topic_name for p in publishers)
            raise BagError(
                f'Nobody has subscribed to {names} within {timeout_s:g} s; start the node or '
                'use --remap.'
            )
        self.wait_until(lambda: False, SETTLE_S)

    def send(self, topic: str, cdr: bytes, stamp_ns: int) -> None:
        """Publishes the serialized message as it was recorded."""
        if self._clock is not None:
            seconds, nanoseconds = divmod(stamp_ns, 10**9)
            tick = ClockMessage()
            tick.clock.sec, tick.clock.nanosec = seconds, nanoseconds
            self._clock.publish(tick)
        self._publishers[topic].publish(cdr)
        self.report.sent[topic] += 1

    def wait_for_answer(self, cdr: bytes, type_name: str) -> None:
        """Waits until the step topic brings a message with this image's stamp."""
        kind = message_class(type_name)
        stamp = deserialize_message(cdr, kind).header.stamp
        key = total_ns(stamp)  # nanosec may be above 10^9 in a recording, but not in an answer
        if not self.wait_until(lambda: key in self._answered, self._options.step_timeout_s):
            self.report.unanswered += 1
        self._answered.discard(key)


def total_ns(stamp: Any) -> int:
    return int(stamp.sec * 10**9 + stamp.nanosec)


def play(node: Node, path: Path, options: PlayOptions) -> PlayReport:
    """Plays one recording to its end. Raises BagError.

    Stepwise playback waits after each image until `step_topic` brings a message with its stamp.
    """
    player = Player(node, options)
    with open_bag(path) as reader:
        if not reader.is2:
            raise BagError(f'{path} is a ROS 1 bag; convert it with `rosbags-convert` first.')
        wanted = [c for c in reader.connections if not options.topics or c.topic in options.topics]
        for connection in wanted:
            player.announce(connection.topic, connection.msgtype)
        wanted = [c for c in wanted if c.topic not in player.report.skipped]
        if not wanted:  # rosbags would read an empty list as all topics
            recorded = ', '.join(sorted({c.topic for c in reader.connections})) or 'nothing'
            raise BagError(f'{path} has no topic that can be played here; it contains {recorded}.')
        cameras = {c.topic for c in wanted if c.msgtype in IMAGE_TYPES and 'truth' not in c.topic}
        if options.step_topic:
            player.listen()
        player.wait_for_listener(cameras)
        pace = Pace(options.rate)
        messages: Iterator[Any] = reader.messages(wanted)
        if options.has_bar:
            messages = counted(messages, 'message', sum(c.msgcount for c in wanted))
        for connection, stamp_ns, data in messages:
            player.wait_until(pace.due(stamp_ns), pace.delay_s(stamp_ns))
            player.send(connection.topic, bytes(data), stamp_ns)
            if options.step_topic and connection.topic in cameras:
                player.wait_for_answer(bytes(data), connection.msgtype)
    player.wait_until(lambda: False, SETTLE_S)  # the last messages are still on their way
    return player.report


class Pace:
    """Says when a message recorded at stamp_ns is due; at once where rate is 0."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._first_ns: int | None = None
        self._start_s = 0.0

    def delay_s(self, stamp_ns: int) -> float:
        """Returns the seconds until the message is due, 0 or less if it is late."""
        if self._first_ns is None:
            self._first_ns, self._start_s = stamp_ns, time.monotonic()
        if self._rate <= 0:
            return 0.0
        after_s = (stamp_ns - self._first_ns) / 1e9 / self._rate
        return self._start_s + after_s - time.monotonic()

    def due(self, stamp_ns: int) -> Callable[[], bool]:
        """Returns a function that says whether the message is due."""
        return lambda: self.delay_s(stamp_ns) <= 0


def run_play(path: Path, options: PlayOptions) -> PlayReport:
    """Calls `play` with a ROS context and node of its own. Raises BagError."""
    # --remap is an option of ours, not of ROS. Python keeps the signals, as Ctrl-C may come while
    # no function of ROS runs.
    start_ros([], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('mtscene_play')
    try:
        return play(node, path, options)
    finally:
        node.destroy_node()
        try_shutdown()
