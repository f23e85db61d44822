"""A node in a process of its own, whose memory, files and threads are looked at from inside.

    python loops.py states MODEL.onnx 50     configure, activate, an image, deactivate, cleanup
    python loops.py images MODEL.npz 120     six cameras, so many images each

A line of JSON for each round.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from mtscene_ros.ros.memory import keep_freed_memory
from mtscene_ros.ros.node import PerceptionNode

SIX = ('front', 'front_left', 'front_right', 'back', 'back_left', 'back_right')


def image(width: int, height: int) -> tuple[Image, CameraInfo]:
    made = Image(encoding='rgb8', width=width, height=height, step=3 * width)
    made.data = np.zeros(3 * width * height, np.uint8).tobytes()
    info = CameraInfo(width=width, height=height)
    info.k = [float(width), 0.0, width / 2, 0.0, float(width), height / 2, 0.0, 0.0, 1.0]
    made.header.frame_id = info.header.frame_id = 'optical'
    return made, info


class Loop:
    """The node and its cameras; all on this thread."""

    def __init__(self, model: str, backend: str, cameras: tuple[str, ...]) -> None:
        values = {'model': model, 'backend': backend, 'threads': 1, 'cameras': list(cameras)}
        self.node = PerceptionNode(
            parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]
        )
        self.other = rclpy.create_node('other')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.other)
        self.cameras, self.seen = cameras, 0
        self.images, self.infos = {}, {}
        for camera in cameras:
            prefix = f'/{camera}/' if camera else '/'
            self.images[camera] = self.other.create_publisher(Image, f'{prefix}image', 1)
            self.infos[camera] = self.other.create_publisher(CameraInfo, f'{prefix}camera_info', 1)
            for topic in ('semantic/image', 'depth/image'):
                self.other.create_subscription(
                    Image, f'/perception{prefix}{topic}', self.on_output, 10
                )

    def on_output(self, message: Image) -> None:
        self.seen += 1

    def until(self, condition: Callable[[], object]) -> None:
        end_s = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end_s, 'timeout'
            self.executor.spin_once(timeout_sec=0.02)

    def show(self, message: Image, info: CameraInfo) -> None:
        """To every camera, until all outputs are there. An image may be lost on the way."""
        want = self.seen + 2 * len(self.cameras)
        end_s = time.monotonic() + 20
        while self.seen < want and time.monotonic() < end_s:
            for camera in self.cameras:
                self.infos[camera].publish(info)
                self.images[camera].publish(message)
            again_s = time.monotonic() + 0.5
            while self.seen < want and time.monotonic() < again_s:
                self.executor.spin_once(timeout_sec=0.02)

    def tell(self, published: int) -> None:
        status = Path('/proc/self/status').read_text()
        print(
            json.dumps(
                {
                    'resident_mb': int(status.split('VmRSS:')[1].split()[0]) / 1e3,
                    'files': len(os.listdir('/proc/self/fd')),
                    'threads': int(status.split('Threads:')[1].split()[0]),
                    'python_threads': threading.active_count(),
                    'published': published,
                }
            ),
            flush=True,
        )


def states(loop: Loop, rounds: int) -> None:
    message, info = image(64, 32)
    node = loop.node
    for _ in range(rounds):
        node.trigger_configure()
        node.trigger_activate()
        loop.until(lambda: node._models.pipeline is not None)
        loop.until(lambda: loop.images[''].get_subscription_count())
        loop.show(message, info)
        published = node._mailbox.counts('').published
        node.trigger_deactivate()
        node.trigger_cleanup()
        loop.tell(int(published > 0))


def images(loop: Loop, rounds: int) -> None:
    message, info = image(1280, 720)
    loop.node.trigger_configure()
    loop.node.trigger_activate()
    loop.until(lambda: loop.node._models.pipeline is not None)
    loop.until(lambda: all(p.get_subscription_count() for p in loop.images.values()))
    for k in range(rounds):
        loop.show(message, info)
        loop.tell(k)
    loop.node.trigger_deactivate()


def main() -> None:
    what, model, rounds = sys.argv[1:]
    keep_freed_memory()
    rclpy.init()
    is_states = what == 'states'
    backend = 'onnxruntime' if is_states else 'constant'
    loop = Loop(model, backend, ('',) if is_states else SIX)
    (states if is_states else images)(loop, int(rounds))
    loop.node.destroy_node()
    loop.other.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
