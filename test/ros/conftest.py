"""A robot around the node: a camera and listeners in this process, the node in its own."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='ROS 2 is not installed')
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def own_domain() -> int:
    """One that no other run on this machine has: theirs would answer for our nodes. The lock ends
    with this process."""
    for number in (1 + (os.getpid() + k) % 100 for k in range(100)):
        path = Path(tempfile.gettempdir()) / f'mtscene_domain_{number}.lock'
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            return number
    raise RuntimeError('a hundred test runs at once')


os.environ['ROS_DOMAIN_ID'] = str(own_domain())
PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds.xml'
os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))

from mtscene_msgs.msg import FrameStats  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from vision_msgs.msg import Detection3DArray, LabelInfo  # noqa: E402

from . import dense_model  # noqa: E402
from .fleet import Fleet  # noqa: E402
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
        self.arrived_s: dict[str, list[float]] = defaultdict(list)
        self._before: Any = None
        for topic in outputs:
            qos = LATCHED if topic == 'semantic/label_info' else QoSProfile(depth=1000)
            self.node.create_subscription(
                TYPES[topic], f'/perception/{topic}', self._listener(topic), qos
            )

    def _listener(self, topic: str) -> Callable[[Any], None]:
        def on_message(message: Any) -> None:
            self.got[topic].append(message)
            self.arrived_s[topic].append(time.time())

        return on_message

    def wait(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Spins until the condition holds; fails the test when it does not."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, (
                f'timeout; got { {k: len(v) for k, v in self.got.items()} }'
            )
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def wait_for_node(self) -> None:
        """Until images get through and what they caused has arrived; then the count begins.

        A best-effort message sent before both sides know each other is lost, hence the probes.
        """
        self.wait(lambda: self.image.get_subscription_count() > 0)
        self.wait(lambda: self.info.get_subscription_count() > 0)
        listened = [s for s in self.node.subscriptions if 'frame_stats' in s.topic_name]
        end_s = time.monotonic() + 20
        while listened and not self.got['debug/frame_stats'] and time.monotonic() < end_s:
            self.image.publish(self.probe())
            self.wait_a_moment(0.2)
        self.wait_a_moment(0.5)
        if listened:
            self._before = self.got['debug/frame_stats'][-1]
        self.got.clear()
        self.arrived_s.clear()

    def probe(self) -> Any:
        """A small grey image."""
        if self.image.msg_type is Image:
            return rgb8(np.full((32, 64, 3), 128, np.uint8), 1)
        png = cv2.imencode('.png', np.full((32, 64, 3), 128, np.uint8))[1].tobytes()
        message = CompressedImage(format='png', data=png)
        stamp(message, 1)
        return message

    def wait_a_moment(self, seconds: float = 0.3) -> None:
        """Spins for a while: discovery is complete on both sides a little after it is on one."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def calibrate(self, info: CameraInfo) -> None:
        """Publishes camera_info for half a second, as a camera would."""
        for _ in range(5):
            self.info.publish(info)
            self.wait_a_moment(0.1)

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
        told = os.environ | {'PYTHONFAULTHANDLER': '1'}  # where a crash happened
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=told)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
    codes = [process.wait(10) for process in processes]
    said = ''
    for process in processes:
        assert process.stderr is not None
        said += '' if process.stderr.closed else process.stderr.read()
        process.stderr.close()
    assert all(code in (0, 1) for code in codes), (codes, said[-3000:])


def log_of(process: subprocess.Popen[str]) -> str:
    """Stops the node and returns everything it logged."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=10)[1]


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
