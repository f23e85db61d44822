"""Measures what the live page (`web.port`) costs the node, with a browser's requests and without.

    python -m benchmarks.live_page_cost [--turns 6] [--seconds 10] [--rate-hz 5] [-o FILE]

The node runs in a process of its own; this process is the camera, subscribes to labels, depth and
boxes, and asks for both pictures as an open page does, in every other turn. Per turn: CPU seconds
of the node's process (utime + stime) and its frames. Turns alternate, because a shared machine
drifts. What the page adds is measured with stored outputs of the bundled model, whose network
would drown it in noise, and compared with the CPU time of a frame with the real network.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from mtscene_msgs.msg import FrameStats
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection3DArray

from benchmarks.node_overhead import stored_outputs
from mtscene_ros.backends.machine import machine
from mtscene_ros.models.child_process import module_command
from mtscene_ros.worlds import FRAMES

WIDTH, HEIGHT = 1280, 720
LISTENED = {'semantic/image': Image, 'depth/image': Image, 'detections_3d': Detection3DArray}
PICTURES = ('overlay', 'depth')
RESULTS = Path(__file__).parent / 'results' / 'live_page_cost.json'


class Camera:
    """Publishes one generated street at a fixed rate and counts the node's frames."""

    def __init__(self, rate_hz: float) -> None:
        self.node, self._period_s = rclpy.create_node('page_cost'), 1 / rate_hz
        self.frame_s: list[float] = []
        stats = '/perception/debug/frame_stats'
        self.node.create_subscription(FrameStats, stats, self._on_stats, 100)
        for topic, kind in LISTENED.items():
            self.node.create_subscription(kind, f'/perception/{topic}', lambda _: None, 1)
        self._images = self.node.create_publisher(Image, '/camera/image_raw', 1)
        self._infos = self.node.create_publisher(CameraInfo, '/camera/camera_info', 1)
        rgb = np.ascontiguousarray(FRAMES['drive'](3, 0, WIDTH, HEIGHT).rgb)
        self._image = Image(encoding='rgb8', width=WIDTH, height=HEIGHT, step=3 * WIDTH)
        self._image.data = rgb.tobytes()
        self._info = CameraInfo(width=WIDTH, height=HEIGHT)
        cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
        self._info.k = [1000.0, 0.0, cx, 0.0, 1000.0, cy, 0.0, 0.0, 1.0]
        self._info.p = [1000.0, 0.0, cx, 0.0, 0.0, 1000.0, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        self._image.header.frame_id = self._info.header.frame_id = 'camera'

    def _on_stats(self, message: FrameStats) -> None:
        if message.stages:
            self.frame_s.append(sum(stage.duration_s for stage in message.stages))

    def send(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            due_s = time.monotonic() + self._period_s
            stamp = self._image.header.stamp
            stamp.sec, stamp.nanosec = divmod(time.time_ns(), 10**9)
            self._infos.publish(self._info)
            self._images.publish(self._image)
            while time.monotonic() < due_s:
                rclpy.spin_once(self.node, timeout_sec=max(0.0, due_s - time.monotonic()))

    def wait(self) -> None:
        """Until the node answers, its model being loaded by then."""
        while len(self.frame_s) < 5:
            self.send(self._period_s)


@contextmanager
def browser(port: int, counts: dict[str, int]) -> Iterator[None]:
    """Asks for every picture as often as the page does: as soon as the last one is there."""
    is_over = threading.Event()

    def follow(name: str) -> None:
        connection, after = http.client.HTTPConnection('127.0.0.1', port, timeout=10), '0'
        while not is_over.is_set():
            connection.request('GET', f'/{name}.jpg?after={after}')
            answer = connection.getresponse()
            answer.read()
            after = answer.getheader('X-Number') or after
            counts[name] += answer.status == 200
        connection.close()

    threads = [threading.Thread(target=follow, args=(name,)) for name in PICTURES]
    for thread in threads:
        thread.start()
    yield
    is_over.set()
    for thread in threads:
        thread.join()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, all of its threads."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def turn(camera: Camera, pid: int, seconds: float) -> dict[str, float]:
    camera.frame_s.clear()
    before_s = cpu_s(pid)
    camera.send(seconds)
    used_s, frames = cpu_s(pid) - before_s, len(camera.frame_s)
    return {
        'frames': frames,
        'cpu_ms_per_frame': round(1e3 * used_s / frames, 2),
        'median_frame_ms': round(1e3 * float(np.median(camera.frame_s)), 2),
    }


def measure(options: argparse.Namespace, pid: int, port: int) -> dict[str, list[dict[str, Any]]]:
    camera = Camera(options.rate_hz)
    camera.wait()
    found: dict[str, list[dict[str, Any]]] = {'alone': [], 'watched': []}
    for _ in range(options.turns):
        found['alone'].append(turn(camera, pid, options.seconds))
        counts = dict.fromkeys(PICTURES, 0)
        with browser(port, counts):
            found['watched'].append(turn(camera, pid, options.seconds) | counts)
        camera.send(6.0)  # until the node has noticed that nobody looks
    camera.node.destroy_node()
    return found


@contextmanager
def node(*words: str, port: int) -> Iterator[int]:
    """The node with its page: its process id."""
    command = module_command('mtscene_ros.ros.node', '--ros-args')
    command += ['-r', 'image:=/camera/image_raw', '-p', f'web.port:={port}', *words]
    process = subprocess.Popen(command)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--turns', type=int, default=6)
    parser.add_argument('--seconds', type=float, default=10.0)
    parser.add_argument('--rate-hz', type=float, default=5.0)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / 'stored.npz'
        stored_outputs(model)
        with node('-p', f'model:={model}', '-p', 'backend:=constant', port=port) as pid:
            found = measure(options, pid, port)
    with node(port=port) as pid:
        camera = Camera(options.rate_hz)
        camera.wait()
        found['network'] = [turn(camera, pid, options.seconds) for _ in range(2)]
        camera.node.destroy_node()
    rclpy.shutdown()
    median = {k: float(np.median([t['cpu_ms_per_frame'] for t in v])) for k, v in found.items()}
    cost_ms = median['watched'] - median['alone']
    result = {
        'machine': machine(),
        'image': f'{WIDTH}x{HEIGHT} rgb8 at {options.rate_hz:g} Hz',
        'cpu_ms_per_frame': median,
        'page_ms_per_frame': round(cost_ms, 2),
        'percent_of_a_frame_with_the_network': round(100 * cost_ms / median['network'], 2),
        'percent_of_two_cores_at_10_hz': round(100 * 10 * cost_ms / 2000, 2),
        'turns': found,
    }
    options.out.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
