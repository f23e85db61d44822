"""Records topics into one MCAP file, message by message as they arrive on the wire."""

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

from mtscene_ros.models.atomic_file import abandoned
from mtscene_ros.recordings.bags import BagError, BagWriter
from mtscene_ros.ros.message_types import message_class
from mtscene_ros.ros.process import let_signals_end_the_context
from mtscene_ros.ros.start import start_ros
from mtscene_ros.terminal import Bar

DISCOVERY_PERIOD_S = 0.2
UNFINISHED = '.recording-'  # begins the folder of a recording that is not closed yet
BAR_PERIOD_S = 0.5
RESERVE_BYTES = 64 << 20  # 0.3 GB/s fill this between two checks; closing the file needs a part


class Recorder:
    """Subscribes to topics as they appear and writes their messages.

    topics: those to record, empty for all but /rosout and parameter events. Latched publishers get
    a latched subscription, best-effort publishers a best-effort one.
    """

    def __init__(self, node: Node, writer: BagWriter, topics: Collection[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.why_ended = ''
        self._node, self._writer, self._topics = node, writer, set(topics)
        self._subscriptions: dict[str, Any] = {}
        self.discover()
        self._timer = node.create_timer(DISCOVERY_PERIOD_S, self.discover)

    def discover(self) -> None:
        """Subscribes to new topics; ends the recording while the disk has room to close it."""
        free_bytes = shutil.disk_usage(self._writer.path.parent).free
        if free_bytes < RESERVE_BYTES:
            free_mb, reserve_mb = free_bytes / 1e6, RESERVE_BYTES / 1e6
            self.why_ended = (
                f'the disk has {free_mb:.0f} MB left (less than {reserve_mb:.0f}), so the '
                'recording ended early'
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
        """Unsubscribes; the writer stays open."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)


def rescue_unfinished(folder: Path) -> list[Path]:
    """Moves the recordings of killed recorders out of their scratch folders; returns where to.

    Readers of recordings read what is whole in them.
    """
    rescued = []
    for left in abandoned(folder, f'{UNFINISHED}*'):
        for file in sorted(left.glob('*/*.mcap')):
            number = 1
            while (target := folder / f'{file.stem}.unfinished-{number}.mcap').exists():
                number += 1
            rescued.append(file.rename(target))
    return rescued


def run_record(path: Path, topics: Collection[str] = ()) -> Recorder:
    """Records until SIGINT, SIGTERM or a full disk, with a ROS context and node of its own.

    Raises BagError where no recording could be completed.
    """
    let_signals_end_the_context()
    start_ros([])  # the command line holds our options, not those of ROS
    node = rclpy.create_node('mtscene_record')
    bar = Bar('message')
    try:
        with BagWriter(path, begin=UNFINISHED) as writer:
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
