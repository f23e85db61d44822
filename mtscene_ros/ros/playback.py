"""Plays a recording onto real topics: at its own rate, faster or stepwise. Needs no rosbag2."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
CLOCK = '/clock'
SETTLE_S = 1.0  # discovery and transport go on for a moment after one side has finished


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How to play a recording.

    rate: 1 as recorded, 0 as fast as possible; step_topic: topic on which every image is
    acknowledged before the next message; topics: those to play, empty for all; remap: recorded
    name → published name; clock: publish /clock, which leaves out a recorded one; start_s: where
    to begin, from the start of the recording; duration_s: how much of it to play, 0 for all; loop:
    play again and again until KeyboardInterrupt; match_timeout_s: how long to wait for a
    subscriber of the images; has_bar: show the progress.
    """

    rate: float = 1.0
    step_topic: str = ''
    step_timeout_s: float = 10.0
    topics: Collection[str] = ()
    remap: Mapping[str, str] = field(default_factory=dict)
    clock: bool = False
    start_s: float = 0.0
    duration_s: float = 0.0
    loop: bool = False
    match_timeout_s: float = 10.0
    has_bar: bool = False


@dataclass(slots=True)
class PlayReport:
    """What was played.

    sent: messages by topic; skipped: topic → its type, which is not installed; clocks: recorded
    topics that were left out because the player publishes /clock; unanswered: images without an
    acknowledgement; unread: topic → why it cannot be passed on.
    """

    sent: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    clocks: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a recording, from start_ns to before stop_ns by the recording's clock."""

    start_ns: int
    stop_ns: int


class Player:
    """The publishers for one recording, and the listener for acknowledgements."""

    def __init__(self, node: Node, options: PlayOptions) -> None:
        self.report = PlayReport()
        self._node, self.options = node, options
        self._publishers: dict[str, Any] = {}
        self._answered: set[int] = set()  # stamps, in nanoseconds
        self._answers: Any = None
        self._clock = node.create_publisher(ClockMessage, CLOCK, 1) if options.clock else None

    def announce(self, topic: str, type_name: str) -> None:
        """Creates the publisher of one recorded topic; an unknown type is counted as skipped, and
        a clock beside our own is left out.

        Raises BagError where the published name is not a topic name.
        """
        kind = message_class(type_name)
        name = self.options.remap.get(topic, topic)
        if kind is None:
            self.report.skipped[topic] = type_name
            return
        if self._clock is not None and name == CLOCK:  # two clocks would jump to and fro
            self.report.clocks.append(topic)
            return
        durability = DurabilityPolicy.VOLATILE
        if is_latched(topic, type_name):
            durability = DurabilityPolicy.TRANSIENT_LOCAL
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        try:
            self._publishers[topic] = self._node.create_publisher(kind, name, qos)
        except InvalidTopicNameException:
            raise BagError(
                f'{name[:80]!r} is not a topic name; choose another with --remap or --topics.'
            ) from None

    def has(self, topic: str) -> bool:
        """Whether a recorded topic is played."""
        return topic in self._publishers

    def listen(self) -> None:
        """Subscribes to the acknowledgements of stepwise playback. Raises BagError."""
        topic, timeout_s = self.options.step_topic, self.options.match_timeout_s
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
        timeout_s = self.options.match_timeout_s
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
        if not self.wait_until(lambda: key in self._answered, self.options.step_timeout_s):
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
        there = reader.all_connections  # also of types that only rclpy knows
        known = {c.topic for c in there}
        player.report.unread = {t: w for t, w in reader.left_out.items() if t not in known}
        wanted = [c for c in there if not options.topics or c.topic in options.topics]
        for connection in wanted:
            player.announce(connection.topic, connection.msgtype)
        wanted = [c for c in wanted if player.has(c.topic)]
        if not wanted:  # rosbags would read an empty list as all topics
            recorded = ', '.join(sorted({c.topic for c in there})) or 'nothing'
            raise BagError(f'{path} has no topic that can be played here; it contains {recorded}.')
        span = span_of(reader, options)
        cameras = {c.topic for c in wanted if c.msgtype in IMAGE_TYPES and 'truth' not in c.topic}
        if options.step_topic:
            player.listen()
        player.wait_for_listener(cameras)
        try:
            play_once(player, reader, wanted, cameras, span)
            while options.loop and player.report.sent:
                play_once(player, reader, wanted, cameras, span)
        except KeyboardInterrupt:
            if not options.loop:
                raise
    player.wait_until(lambda: False, SETTLE_S)  # the last messages are still on their way
    return player.report


def span_of(reader: Any, options: PlayOptions) -> Span:
    """Returns the part of the recording that is played. Raises BagError where it is empty."""
    start_ns = reader.start_time + round(1e9 * options.start_s)
    stop_ns = reader.end_time + 1
    if options.duration_s:
        stop_ns = min(stop_ns, start_ns + round(1e9 * options.duration_s))
    if start_ns >= stop_ns:
        raise BagError(
            f'The recording lasts {(reader.end_time - reader.start_time) / 1e9:.1f} s, so nothing '
            f'of it comes after {options.start_s:g} s; choose an earlier start.'
        )
    return Span(start_ns, stop_ns)


def play_once(
    player: Player, reader: Any, wanted: Sequence[Any], cameras: Collection[str], span: Span
) -> None:
    """Plays a part of the recording, after the latched messages from before it."""
    options = player.options
    latched = [c for c in wanted if is_latched(c.topic, c.msgtype)]
    if options.start_s and latched:
        for connection, _, data in reader.messages(latched, stop=span.start_ns):
            player.send(connection.topic, bytes(data), span.start_ns)
    pace = Pace(options.rate)
    messages: Iterator[Any] = reader.messages(wanted, span.start_ns, span.stop_ns)
    if options.has_bar:
        is_whole = not (options.start_s or options.duration_s)
        total = sum(c.msgcount for c in wanted) if is_whole else None
        messages = counted(messages, 'message', total)
    for connection, stamp_ns, data in messages:
        player.wait_until(pace.due(stamp_ns), pace.delay_s(stamp_ns))
        player.send(connection.topic, bytes(data), stamp_ns)
        if options.step_topic and connection.topic in cameras:
            player.wait_for_answer(bytes(data), connection.msgtype)


def is_latched(topic: str, type_name: str) -> bool:
    """Whether late subscribers need the last message of a topic."""
    return topic in LATCHED_TOPICS or type_name.endswith('/LabelInfo')


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
