"""A robot around the node: a camera and listeners in this process, the node in its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from patience import PATIENCE_S

rclpy = pytest.importorskip('rclpy', reason='ROS 2 is not installed')
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds.xml'
os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))

from mtscene_msgs.msg import FrameStats  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from vision_msgs.msg import Detection3DArray, LabelInfo  # noqa: E402

from . import dense_model  # noqa: E402
from .fleet import Fleet, answer_to_probes, probe_in  # noqa: E402
from .inside import Inside  # noqa: E402

TYPES = {
    'semantic/image': Image,
    'semantic/confidence': Image,
    'semantic/label_info': LabelInfo,
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'detections_3d': Detection3DArray,
    'debug/overlay': Image,
    'debug/frame_stats': FrameStats,
}
PER_FRAME = tuple(topic for topic in TYPES if topic != 'semantic/label_info')
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@pytest.fixture(scope='session')
def dense_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a model with every task."""
    return dense_model.write(tmp_path_factory.mktemp('model') / 'dense.onnx')


class Robot:
    """Knows the node's topics by name and type only, as any other package would."""

    def __init__(self, image_type: type = Image, outputs: tuple[str, ...] = tuple(TYPES)) -> None:
        self.node = rclpy.create_node('robot')
        suffix = '/compressed' if image_type is CompressedImage else ''
        self.image = self.node.create_publisher(image_type, f'/camera/image_raw{suffix}', 1)
        self.info = self.node.create_publisher(CameraInfo, '/camera/camera_info', 1)
        self.got: dict[str, list[Any]] = defaultdict(list)
        self._answers: dict[int, FrameStats] = {}  # to probes
        self._before: Any = None
        for topic in outputs:
            qos = LATCHED if topic == 'semantic/label_info' else QoSProfile(depth=1000)
            self.node.create_subscription(
                TYPES[topic], f'/perception/{topic}', self._listener(topic), qos
            )

    def _listener(self, topic: str) -> Callable[[Any], None]:
        def on_message(message: Any) -> None:
            number = probe_in(message)
            if not number:
                self.got[topic].append(message)
            elif topic == 'debug/frame_stats':
                self._answers[number] = message

        return on_message

    def wait(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Spins until the condition holds; fails the test when it does not."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, (
                f'timeout; got { {k: len(v) for k, v in self.got.items()} }'
            )
            self._spin()

    def wait_for_node(self) -> None:
        """Until images get through and the node has accounted for all of them; then the count
        begins."""
        self.wait(lambda: self.image.get_subscription_count() > 0)
        self.wait(lambda: self.info.get_subscription_count() > 0)
        if any('frame_stats' in s.topic_name for s in self.node.subscriptions):
            self._before = answer_to_probes(self._probe, self._answers, self._spin)

    def _probe(self, stamp_ns: int) -> None:
        """A small grey image."""
        grey = np.full((32, 64, 3), 128, np.uint8)
        if self.image.msg_type is Image:
            self.image.publish(rgb8(grey, stamp_ns))
            return
        message = CompressedImage(format='png', data=cv2.imencode('.png', grey)[1].tobytes())
        stamp(message, stamp_ns)
        self.image.publish(message)

    def _spin(self) -> None:
        rclpy.spin_once(self.node, timeout_sec=0.05)

    def wait_a_moment(self, seconds: float = 0.3) -> None:
        """Spins for a while, as between two images of a camera."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._spin()

    def calibrate(self, info: CameraInfo) -> None:
        """Publishes camera_info as a camera would: some may be lost, but not all. The node takes
        it before an image that is sent afterwards."""
        for _ in range(5):
            self.info.publish(info)
            self.wait_a_moment(0.02)

    def stats(self) -> SimpleNamespace:
        """The newest account of the frames since wait_for_node."""
        now, before = self.got['debug/frame_stats'][-1], self._before
        names = ('received', 'published', 'dropped', 'failed')
        counts = {n: getattr(now, n) - (getattr(before, n) if before else 0) for n in names}
        return SimpleNamespace(**counts)


def camera_info(stamp_ns: int, width: int = 64, height: int = 32, fx: float = 64.0) -> CameraInfo:
    """The camera of the `frame` fixture."""
    info = CameraInfo(width=width, height=height)
    stamp(info, stamp_ns)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    info.k = [fx, 0.0, cx, 0.0, fx, cy, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, 0.0, 0.0, fx, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def rgb8(rgb: np.ndarray, stamp_ns: int) -> Image:
    """An honest rgb8 message."""
    message = Image(encoding='rgb8', height=rgb.shape[0], width=rgb.shape[1])
    stamp(message, stamp_ns)
    message.step = rgb.shape[1] * 3
    message.data = rgb.tobytes()
    return message


def stamp(message: Any, stamp_ns: int) -> None:
    """Fills the header."""
    message.header.frame_id = 'camera_optical_frame'
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)


@pytest.fixture(scope='session', autouse=True)
def _context() -> Iterator[None]:
    if not rclpy.ok():  # test/trust uses these fixtures as well
        rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def start_node(tiny_path: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """start_node(model=..., other parameters) → the node's process; SIGINT ends it.
    params_file: a parameter file instead."""
    processes = []

    def start(*, params_file: Path | None = None, **parameters: object) -> subprocess.Popen[str]:
        parameters = {'model': tiny_path, 'threads': 1, 'backend': 'onnxruntime', **parameters}
        arguments = [part for k, v in parameters.items() for part in ('-p', f'{k}:={v}')]
        command = [sys.executable, '-m', 'mtscene_ros.ros.node', '--ros-args', *arguments]
        command += ['-r', 'image:=/camera/image_raw']
        command += ['--params-file', str(params_file)] if params_file else []
        reported = os.environ | {'PYTHONFAULTHANDLER': '1'}  # where a crash happened
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=reported)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
    codes = [process.wait(PATIENCE_S) for process in processes]
    printed = ''
    for process in processes:
        assert process.stderr is not None
        printed += '' if process.stderr.closed else process.stderr.read()
        process.stderr.close()
    assert all(code in (0, 1) for code in codes), (codes, printed[-3000:])


def log_of(process: subprocess.Popen[str]) -> str:
    """Stops the node and returns everything it logged."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE_S)[1]


@pytest.fixture
def robot() -> Iterator[Robot]:
    """A robot with a raw camera that listens to everything."""
    made = Robot()
    yield made
    made.node.destroy_node()


@pytest.fixture
def fleet_of() -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(cameras: tuple[str, ...], **options: Any) -> Fleet:
        made.append(Fleet(cameras, **options))
        return made[-1]

    yield make
    for fleet in made:
        fleet.node.destroy_node()


@pytest.fixture
def inside_of(tiny_path: str) -> Iterator[Callable[..., Inside]]:
    """inside_of(other parameters) → the node in this process."""
    made: list[Inside] = []

    def make(**parameters: Any) -> Inside:
        made.append(Inside(**{'model': tiny_path, **parameters}))
        return made[-1]

    yield make
    for inside in made:
        inside.close()
