"""A robot with any number of cameras, which knows the node by names and types only."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from mtscene_msgs.msg import FrameStats, Scene
from patience import PATIENCE_S
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

TYPES: dict[str, type] = {
    'semantic/image': Image,
    'semantic/confidence': Image,
    'semantic/color': Image,
    'semantic/color/compressed': CompressedImage,
    'semantic/label_info': LabelInfo,
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'points': PointCloud2,
    'normals/image': Image,
    'boundary/image': Image,
    'saliency/image': Image,
    'parts/image': Image,
    'parts/label_info': LabelInfo,
    'own/wetness/image': Image,
    'own/walkable/image': Image,
    'own/walkable/label_info': LabelInfo,
    'detections_3d': Detection3DArray,
    'detections_2d': Detection2DArray,
    'scene': Scene,
    'debug/overlay': Image,
    'debug/overlay/compressed': CompressedImage,
    'debug/markers': MarkerArray,
    'debug/frame_stats': FrameStats,
}
PER_FRAME = tuple(topic for topic, kind in TYPES.items() if kind is not LabelInfo)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
PROBES_NS, PROBE_NUMBERS = 1_777_000_000, count(1)  # stamps that no test's own image has


def probe_in(message: Any) -> int:
    """Number of the probe that the message came of, 0 for another image's or for none."""
    if isinstance(message, MarkerArray):
        message = message.markers[0] if message.markers else LabelInfo()
    stamp = message.header.stamp
    number = stamp.sec * 10**9 + stamp.nanosec - PROBES_NS
    return number if 0 < number < 10**6 else 0


def answer_to_probes(
    send: Callable[[int], None], answers: dict[int, FrameStats], spin: Callable[[], None]
) -> FrameStats:
    """Sends images until the node answers the last one → its account, of nothing but settled
    images. send: an image with this stamp in ns; answers: probe → the node's account after it.

    A best-effort message is lost as long as both sides do not know each other. Each probe is given
    twice the time of the one before, so that a slow node catches up.
    """
    for attempt in range(10):
        number, again_s = next(PROBE_NUMBERS), time.monotonic() + 0.2 * 2**attempt
        send(PROBES_NS + number)
        while time.monotonic() < again_s:
            if number in answers:
                return answers[number]
            spin()
    raise AssertionError('no image gets through')


class Fleet:
    """cameras: names, '' for a single unnamed one; topics: private names to listen to."""

    def __init__(self, cameras: tuple[str, ...], topics: tuple[str, ...] = tuple(TYPES)) -> None:
        self.node = rclpy.create_node('fleet')
        self.cameras = cameras
        self.got: dict[tuple[str, str], list[Any]] = defaultdict(list)
        self.diagnostics: list[DiagnosticArray] = []
        self.images: dict[str, Any] = {}
        self.infos: dict[str, Any] = {}
        self.listened: set[tuple[str, str]] = set()
        self._answers: dict[str, dict[int, FrameStats]] = defaultdict(dict)
        self._clients: dict[str, Any] = {}
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self.diagnostics.append, 10)
        for camera in cameras:
            prefix = f'/{camera}' if camera else '/camera'
            image = 'image' if camera else 'image_raw'
            self.images[camera] = self.node.create_publisher(Image, f'{prefix}/{image}', 1)
            self.infos[camera] = self.node.create_publisher(CameraInfo, f'{prefix}/camera_info', 1)
            for topic in topics:
                self.listen(camera, topic)

    def listen(self, camera: str, topic: str) -> Any:
        """Subscribes to one output; what comes of probes is kept apart."""
        qos = LATCHED if TYPES[topic] is LabelInfo else QoSProfile(depth=100)
        prefix = f'/perception/{camera}' if camera else '/perception'
        got, answers = self.got[camera, topic], self._answers[camera]
        self.listened.add((camera, topic))

        def on_message(message: Any) -> None:
            number = probe_in(message)
            if not number:
                got.append(message)
            elif topic == 'debug/frame_stats':
                answers[number] = message

        return self.node.create_subscription(TYPES[topic], f'{prefix}/{topic}', on_message, qos)

    def call(self, kind: type, name: str, request: Any) -> Any:
        """A service of the node: its answer."""
        future = self.client(kind, name).call_async(request)
        self.wait(future.done)
        return future.result()

    def client(self, kind: type, name: str) -> Any:
        """One for each service. An answer to a client that the other side does not know yet is
        lost, so the state is asked for, which does no harm, until that is answered."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'/perception/{name}')
            asking = self.node.create_client(GetState, '/perception/get_state')
            self.wait(self._clients[name].service_is_ready)
            self.wait(asking.service_is_ready)
            self.wait(lambda: self._is_answered(asking))
            self.node.destroy_client(asking)
        return self._clients[name]

    def _is_answered(self, asking: Any) -> bool:
        future, end_s = asking.call_async(GetState.Request()), time.monotonic() + 1
        while not future.done() and time.monotonic() < end_s:
            self._spin()
        return bool(future.done())

    def wait(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Spins until the condition holds; fails the test when it does not."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            counts = {k: len(v) for k, v in self.got.items() if v}
            assert time.monotonic() < end_s, f'timeout; got {counts}'
            self._spin()

    def pause(self, seconds: float) -> None:
        """Spins."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._spin()

    def connect(self, infos: dict[str, CameraInfo]) -> dict[str, FrameStats]:
        """Until every camera's images get through and its camera_info has been sent → what the
        node has accounted for until then. Needs `debug/frame_stats`."""
        self.wait(lambda: all(p.get_subscription_count() for p in self.images.values()))
        before = {c: self.account(c, infos[c].width, infos[c].height) for c in self.cameras}
        for _ in range(5):  # best effort, as from a camera: not all of them are lost
            for camera in self.cameras:
                self.infos[camera].publish(infos[camera])
            self.pause(0.02)
        return before

    def account(self, camera: str, width: int = 64, height: int = 32) -> FrameStats:
        """What the node has accounted for when all images of the camera are settled: up to ten
        more black ones find out."""
        black = np.zeros((height, width, 3))
        return answer_to_probes(
            lambda stamp_ns: self.show(camera, black, stamp_ns), self._answers[camera], self._spin
        )

    def _spin(self) -> None:
        rclpy.spin_once(self.node, timeout_sec=0.05)

    def show(self, camera: str, rgb: np.ndarray, stamp_ns: int) -> None:
        """One image, rgb8, in the optical frame CAMERA_optical."""
        rgb = np.asarray(rgb, np.uint8)
        message = Image(encoding='rgb8', height=rgb.shape[0], width=rgb.shape[1])
        message.step, message.data = 3 * rgb.shape[1], rgb.tobytes()
        message.header.frame_id = f'{camera}_optical'
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self.images[camera].publish(message)

    def status_of(self, part: str) -> Any:
        """The newest diagnostic entry whose name ends so."""
        self.diagnostics.clear()
        found: list[Any] = []

        def there() -> bool:
            found[:] = [s for d in self.diagnostics for s in d.status if s.name.endswith(part)]
            return bool(found)

        self.wait(there)
        return found[-1]


def info_of(camera: str, width: int, height: int, fx: float) -> CameraInfo:
    """Without distortion, principal point in the middle."""
    info = CameraInfo(width=width, height=height)
    info.header.frame_id = f'{camera}_optical'
    cx, cy = (width - 1) / 2, (height - 1) / 2
    info.k = [fx, 0.0, cx, 0.0, fx, cy, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, 0.0, 0.0, fx, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info
