"""A robot with any number of cameras, which knows the node by names and types only."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from mtscene_msgs.msg import FrameStats, Scene
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

TYPES: dict[str, type] = {
    'semantic/image': Image,
    'semantic/confidence': Image,
    'semantic/color': Image,
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
    'debug/markers': MarkerArray,
    'debug/frame_stats': FrameStats,
}
PER_FRAME = tuple(topic for topic, kind in TYPES.items() if kind is not LabelInfo)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


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
        """Subscribes to one output."""
        qos = LATCHED if TYPES[topic] is LabelInfo else QoSProfile(depth=100)
        prefix = f'/perception/{camera}' if camera else '/perception'
        got = self.got[camera, topic]
        self.listened.add((camera, topic))
        return self.node.create_subscription(TYPES[topic], f'{prefix}/{topic}', got.append, qos)

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
            rclpy.spin_once(self.node, timeout_sec=0.05)
        return bool(future.done())

    def wait(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Spins until the condition holds; fails the test when it does not."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            counts = {k: len(v) for k, v in self.got.items() if v}
            assert time.monotonic() < end_s, f'timeout; got {counts}'
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def pause(self, seconds: float) -> None:
        """Spins."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def connect(self, infos: dict[str, CameraInfo]) -> None:
        """Until every camera's images get through, with camera_info there; then all begins."""
        self.wait(lambda: all(p.get_subscription_count() for p in self.images.values()))
        end_s = time.monotonic() + 20
        for camera in self.cameras:
            got = self.got[camera, 'debug/frame_stats']
            while not (got and got[-1].published) and time.monotonic() < end_s:
                self.show(camera, np.zeros((infos[camera].height, infos[camera].width, 3)), 1)
                self.pause(0.2)
        for _ in range(5):  # best effort, as from a camera
            for camera in self.cameras:
                self.infos[camera].publish(infos[camera])
            self.pause(0.1)
        for messages in self.got.values():
            messages.clear()

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
