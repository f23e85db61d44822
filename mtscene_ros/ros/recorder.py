"""Topics → one MCAP recording, message by message as they were on the wire."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import uninstall_signal_handlers
from rclpy.utilities import ok, try_shutdown

from mtscene_ros.recordings.bags import BagError, BagWriter
from mtscene_ros.ros.message_types import message_class
from mtscene_ros.ros.process import let_signals_end_the_context
from mtscene_ros.terminal import Bar

LOOK_PERIOD_S = 0.2
BAR_PERIOD_S = 0.5
RESERVE_BYTES = 64 << 20  # what 0.3 GB/s fill between two looks; completing takes a part of it


class Recorder:
    """Subscribes to topics as they appear and writes what they bring.

    topics: those to record, empty = all but /rosout and parameter events. Latched publishers are
    met with a latched subscription, best-effort ones with a best-effort one.
    """

    def __init__(self, node: Node, writer: BagWriter, topics: Collection[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.why_ended = ''
        self._node, self._writer, self._topics = node, writer, set(topics)
        self._subscriptions: dict[str, Any] = {}
        self.look()
        self._timer = node.create_timer(LOOK_PERIOD_S, self.look)

    def look(self) -> None:
        """Subscribes to what has appeared since the last look; ends where the disk fills up, as
        long as the recording can still be completed."""
        free_bytes = shutil.disk_usage(self._writer.path.parent).free
        if free_bytes < RESERVE_BYTES:
            free_mb, reserve_mb = free_bytes / 1e6, RESERVE_BYTES / 1e6
            self.why_ended = (
                f'the disk has {free_mb:.0f} MB left (less than {reserve_mb:.0f}), so the '
                'recording ended there'
            )
        for topic, types in self._node.get_topic_names_and_types():
            is_known = topic in self._subscriptions or topic in self.skipped
            if not is_known and self._is_wanted(topic):
                self._subscribe(topic, types[0])

    def _is_wanted(self, topic: str) -> bool:
        if self._topics:
            return topic in self._topics
        return topic not in ('/rosout', '/parameter_events') and '/_' not in topic

    def _subscribe(self, topic: str, type_name: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(topic)
        kind = message_class(type_name)
        if kind is None:
            self.skipped[topic] = type_name
        if kind is None or not publishers:
            return
        latched = all(
            p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers
        )
        reliable = all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers)
        qos = QoSProfile(
            depth=100,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self._subscriptions[topic] = self._node.create_subscription(
            kind, topic, self._writer_of(topic, type_name, latched), qos, raw=True
        )

    def _writer_of(self, topic: str, type_name: str, latched: bool) -> Callable[[bytes], None]:
        def write(cdr: bytes) -> None:
            if self.why_ended:
                return
            self._writer.write_raw(topic, type_name, time.time_ns(), cdr, latched=latched)
            self.counts[topic] += 1

        return write

    def close(self) -> None:
        """Takes the subscriptions down; the writer stays open."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)


def run_record(path: Path, topics: Collection[str] = ()) -> Recorder:
    """Records until SIGINT or SIGTERM, or until the disk is full, with a ROS context and node of
    its own. Raises BagError where nothing could be completed."""
    let_signals_end_the_context()
    rclpy.init(args=[])  # the command line is ours, not ROS's
    node = rclpy.create_node('mtscene_record')
    bar = Bar('message')
    try:
        with BagWriter(path) as writer:
            recorder = Recorder(node, writer, topics)
            node.create_timer(BAR_PERIOD_S, lambda: bar.show(sum(recorder.counts.values())))
            with contextlib.suppress(ExternalShutdownException):
                while ok() and not recorder.why_ended:
                    rclpy.spin_once(node)
    except OSError as error:
        raise BagError(f'Recording {str(path)!r} cannot be written ({error}).') from error
    finally:
        bar.end()
        uninstall_signal_handlers()
        node.destroy_node()
        try_shutdown()
    return recorder
