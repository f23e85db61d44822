"""Compares the CPU time that two versions of the node spend on an image, in turns.

    git worktree add --detach /tmp/old b2af033
    python -m benchmarks.node_cpu /tmp/old [--frames 60] [--rounds 3] [-o FILE]

Each node runs in its own process with stored outputs of the bundled model's size; this process is
the camera (1920x1080 rgb8) and subscribes to labels, confidence, depth and boxes without reading
them. CPU time is that of the node's process with all its threads, from /proc, so that it hardly
depends on what else runs; stages are the node's own (~/debug/frame_stats). The floor is a plain
node that receives the same images and publishes as many bytes: what rclpy and the middleware cost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from mtscene_msgs.msg import FrameStats
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from benchmarks.node_overhead import LISTENED, camera_messages, stored_outputs
from mtscene_ros.backends.machine import machine
from mtscene_ros.ros.memory import keep_freed_memory

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results' / 'node_cpu.json'
WARM_UP = 5
FLOOR_TOPICS = {'semantic/image': 1, 'semantic/confidence': 1, 'depth/image': 4}  # bytes a pixel


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds of all threads of a process, to the nanosecond."""
    files = Path(f'/proc/{pid}/task').glob('*/schedstat')
    return sum(int(file.read_text().split()[0]) for file in files) * 1e-9


@contextmanager
def program(checkout: Path, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs Python modules of a checkout."""
    environment = {**os.environ, 'PYTHONPATH': str(checkout)}
    started = subprocess.Popen([sys.executable, '-m', *words], cwd=checkout, env=environment)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGINT)
        started.wait(20)


def measured(pid: int, frames: int, rate_hz: float) -> dict[str, float]:
    """Sends images; returns CPU milliseconds per image (lower quartile) and median stages."""
    node = rclpy.create_node('camera')
    stages: dict[str, list[float]] = defaultdict(list)
    done: list[int] = []

    def on_stats(message: FrameStats) -> None:
        done.append(1)
        for stage in message.stages:
            stages[stage.name].append(1e3 * stage.duration_s)

    node.create_subscription(FrameStats, '/perception/debug/frame_stats', on_stats, 100)
    for topic, kind in LISTENED.items():
        node.create_subscription(kind, f'/perception/{topic}', lambda _: None, 1, raw=True)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    images = node.create_publisher(Image, '/camera/image_raw', best_effort)
    infos = node.create_publisher(CameraInfo, '/camera/camera_info', best_effort)
    image, info = camera_messages()
    while not images.get_subscription_count() or not node.count_publishers(
        '/perception/debug/frame_stats'
    ):
        rclpy.spin_once(node, timeout_sec=0.1)
    spent_ms: list[float] = []
    for _ in range(WARM_UP + frames):
        before_s, before = cpu_s(pid), len(done)
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        due_s = time.monotonic() + 1 / rate_hz
        infos.publish(info)
        images.publish(image)
        while time.monotonic() < due_s:
            rclpy.spin_once(node, timeout_sec=max(0.0, due_s - time.monotonic()))
        if len(done) == before + 1:  # neither dropped nor late
            spent_ms.append(1e3 * (cpu_s(pid) - before_s))
    node.destroy_node()
    medians = {name: float(np.median(values)) for name, values in stages.items()}
    low = float(np.percentile(spent_ms[WARM_UP:], 25))
    return {'cpu': low, 'images': float(len(spent_ms)), **medians}


def floor() -> None:
    """Receives images and publishes as many bytes as the node, until SIGINT."""
    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node('perception')
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    stats = node.create_publisher(FrameStats, '~/debug/frame_stats', 100)
    outputs = [
        (node.create_publisher(Image, f'~/{topic}', 1), bytes(1920 * 1080 * size + 100))
        for topic, size in FLOOR_TOPICS.items()
    ]

    def on_image(_: bytes) -> None:
        for publisher, content in outputs:
            publisher.publish(content)
        stats.publish(FrameStats())

    node.create_subscription(Image, '/camera/image_raw', on_image, best_effort, raw=True)
    with suppress(KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        rclpy.spin(node)


def one(checkout: Path, words: list[str], frames: int, rate_hz: float) -> dict[str, float]:
    with program(checkout, words) as started:
        time.sleep(3)  # imports
        return measured(started.pid, frames, rate_hz)


def summary(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Returns the smallest CPU time, and the median of everything else."""
    names = rounds[0].keys()
    found = {name: round(float(np.median([r[name] for r in rounds])), 2) for name in names}
    return found | {'cpu': round(min(r['cpu'] for r in rounds), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('old', type=Path, nargs='?', help='checkout of the other version')
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--rate-hz', type=float, default=3.0)
    parser.add_argument('--floor', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.floor:
        floor()
        return
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(ROOT / 'config' / 'fastdds.xml'))
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / 'stored.npz'
        stored_outputs(model)
        node = ['mtscene_ros.ros.node', '--ros-args', '-r', 'image:=/camera/image_raw']
        node += ['-p', f'model:={model}', '-p', 'backend:=constant']
        turns = {'new': (ROOT, node), 'floor': (ROOT, ['benchmarks.node_cpu', '--floor'])}
        turns |= {'old': (options.old.resolve(), node)} if options.old else {}
        rclpy.init()
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        for _ in range(options.rounds):
            for name, (checkout, words) in turns.items():
                found[name].append(one(checkout, words, options.frames, options.rate_hz))
        rclpy.shutdown()
    result: dict[str, Any] = {
        'machine': machine(),
        'image': f'1920x1080 rgb8 at {options.rate_hz:g} Hz, {options.frames} images a round',
        'ms_per_image': {name: summary(rounds) for name, rounds in found.items()},
        'rounds_cpu_ms': {n: [round(r['cpu'], 2) for r in v] for n, v in found.items()},
    }
    if options.old:
        spent = result['ms_per_image']
        result['ratio'] = round(spent['new']['cpu'] / spent['old']['cpu'], 3)
    options.out.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
