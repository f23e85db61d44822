"""Measures everything but the network for one 1920x1080 camera, in the real node over real DDS.

    python -m benchmarks.node_overhead [--frames 300] [--rate-hz 10] [-o FILE]

The node runs in a separate process with stored outputs of the bundled model's size; this process
is the camera and subscribes to labels, confidence, depth and boxes. Times are the node's own, from
~/debug/frame_stats: 'receive' is the time an image waited for the worker, 'infer' the cost of
stored outputs (included), 'serialise' the creation of messages, 'publish' CDR and middleware.

All copies of images or maps of camera size: the middleware copies into the bytes that a
subscription gets; reading rgb8 copies nothing (cdr.py), nor does anything before downscaling;
decoding creates each map once (depth twice: enlarged, then scaled to metres);
messages.image_message copies a map into the message's array, and rclpy's publish copies it into
the C message and then into the middleware's CDR.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from mtscene_msgs.msg import FrameStats
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection3DArray

from mtscene_ros.backends import BackendOptions
from mtscene_ros.backends.constant import write
from mtscene_ros.backends.machine import machine
from mtscene_ros.estimator import open_estimator
from mtscene_ros.models.child_process import module_command
from mtscene_ros.ros.memory import keep_freed_memory
from mtscene_ros.worlds import FRAMES

WIDTH, HEIGHT = 1920, 1080
LISTENED = {
    'semantic/image': Image,
    'semantic/confidence': Image,
    'depth/image': Image,
    'detections_3d': Detection3DArray,
}
RESULTS = Path(__file__).parent / 'results' / 'node_overhead.json'


def stored_outputs(path: Path) -> None:
    """Stores the bundled model's outputs for a generated street."""
    estimator = open_estimator(options=BackendOptions(2))
    rgb = FRAMES['drive'](3, 0, 1024, 512).rgb[::2, ::2]
    names = [output.name for output in estimator.spec.outputs]
    outputs = estimator.backend.infer(np.ascontiguousarray(rgb)[None], names)
    write(path, estimator.spec, outputs)


def camera_messages() -> tuple[Image, CameraInfo]:
    rgb = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image = Image(encoding='rgb8', width=WIDTH, height=HEIGHT, step=3 * WIDTH)
    image.data = rgb.tobytes()
    info = CameraInfo(width=WIDTH, height=HEIGHT)
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    info.k = [1500.0, 0.0, cx, 0.0, 1500.0, cy, 0.0, 0.0, 1.0]
    info.p = [1500.0, 0.0, cx, 0.0, 0.0, 1500.0, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    image.header.frame_id = info.header.frame_id = 'camera'
    return image, info


def measure(frames: int, rate_hz: float) -> dict[str, list[float]]:
    """Returns the seconds of each frame by stage."""
    node = rclpy.create_node('overhead')
    spent: dict[str, list[float]] = defaultdict(list)

    def on_stats(message: FrameStats) -> None:
        for stage in message.stages:
            spent[stage.name].append(stage.duration_s)

    node.create_subscription(FrameStats, '/perception/debug/frame_stats', on_stats, 100)
    for topic, kind in LISTENED.items():
        node.create_subscription(kind, f'/perception/{topic}', lambda _: None, 1)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    images = node.create_publisher(Image, '/camera/image_raw', best_effort)
    infos = node.create_publisher(CameraInfo, '/camera/camera_info', best_effort)
    image, info = camera_messages()
    while not images.get_subscription_count() or node.count_publishers('/perception/points') < 1:
        rclpy.spin_once(node, timeout_sec=0.1)
    for _ in range(frames + 20):
        due_s = time.monotonic() + 1 / rate_hz
        stamp_ns = time.time_ns()
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        infos.publish(info)
        images.publish(image)
        while time.monotonic() < due_s:
            rclpy.spin_once(node, timeout_sec=max(0.0, due_s - time.monotonic()))
    node.destroy_node()
    return {name: values[20:] for name, values in spent.items()}


def percentiles(values: list[float]) -> dict[str, float]:
    return {f'p{p}_ms': round(1e3 * float(np.percentile(values, p)), 2) for p in (50, 95, 99)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=300)
    parser.add_argument('--rate-hz', type=float, default=10.0)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    profile = Path(__file__).parents[1] / 'config' / 'fastdds.xml'
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(profile))
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / 'stored.npz'
        stored_outputs(model)
        command = module_command('mtscene_ros.ros.node', '--ros-args')
        command += ['-r', 'image:=/camera/image_raw', '-p', f'model:={model}']
        node = subprocess.Popen([*command, '-p', 'backend:=constant'])
        rclpy.init()
        try:
            spent = measure(options.frames, options.rate_hz)
        finally:
            node.send_signal(signal.SIGINT)
            node.wait(10)
            rclpy.shutdown()
    whole = [sum(stages) for stages in zip(*spent.values(), strict=True)]
    result: dict[str, Any] = {
        'machine': machine(),
        'image': f'{WIDTH}x{HEIGHT} rgb8 at {options.rate_hz:g} Hz, {len(whole)} frames',
        'published': list(LISTENED),
        'whole': percentiles(whole),
        'stages': {
            name: {
                **percentiles(values),
                'share': round(float(np.median(values)) / float(np.median(whole)), 3),
            }
            for name, values in spent.items()
        },
    }
    options.out.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
