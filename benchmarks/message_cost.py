"""Measures making and publishing of three 1080p maps, in this checkout and in another, in turns.

    git worktree add --detach /tmp/old b2af033
    python -m benchmarks.message_cost /tmp/old [--rounds 3] [-o FILE]

Labels, confidence and depth go over DDS to a process that receives bytes. Times are CPU times of
the thread that makes and publishes, so that they hardly depend on what else runs; the floor is
publishing bytes that exist already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from sensor_msgs.msg import Image

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results' / 'message_cost.json'
HEIGHT, WIDTH, IMAGES, PAUSE_S = 1080, 1920, 40, 0.06
RECEIVER = """
import rclpy
from sensor_msgs.msg import Image
from mtscene_ros.ros.memory import keep_freed_memory
keep_freed_memory()
rclpy.init()
node = rclpy.create_node('receiver')
for number in range(3):
    node.create_subscription(Image, f'/map{number}', lambda message: None, 1, raw=True)
rclpy.spin(node)
"""


def first_of(*names: str) -> Any:
    """Imports the first module that the checkout has: files have moved since b2af033."""
    for name in names:
        try:
            return import_module(f'mtscene_ros.{name}')
        except ImportError:
            continue
    raise ImportError(names)


def measure() -> dict[str, float]:
    """Returns the median CPU milliseconds for the three maps of one image."""
    messages = first_of('camera.messages', 'messages')
    plain = first_of('ros.message_types', 'ros.kinds').new
    new = first_of('ros.cdr_writer', 'ros.message_types', 'ros.kinds').new
    first_of('ros.memory').keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node('sender')
    publishers = [node.create_publisher(Image, f'/map{number}', 1) for number in range(3)]
    receiver = subprocess.Popen([sys.executable, '-c', RECEIVER])
    while not all(publisher.get_subscription_count() for publisher in publishers):
        time.sleep(0.1)
    depth_m = np.ones((HEIGHT + 8, WIDTH + 4), np.float32)[:HEIGHT, :WIDTH]  # as decoding makes it
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    maps = ((labels, 'mono8'), (labels, 'mono8'), (depth_m, '32FC1'))
    header = messages.header(plain, 1, 'camera')
    ready = [bytes(HEIGHT * WIDTH * size + 64) for size in (1, 1, 4)]
    spent_ms: dict[str, list[float]] = {'make': [], 'publish': [], 'floor': []}
    for _ in range(IMAGES):
        start_s = time.thread_time()
        made = [messages.image_message(new, pixels, code, header) for pixels, code in maps]
        made_s = time.thread_time()
        for publisher, message in zip(publishers, made, strict=True):
            publisher.publish(message)
        done_s = time.thread_time()
        spent_ms['make'].append(1e3 * (made_s - start_s))
        spent_ms['publish'].append(1e3 * (done_s - made_s))
        time.sleep(PAUSE_S)
        start_s = time.thread_time()
        for publisher, content in zip(publishers, ready, strict=True):
            publisher.publish(content)
        spent_ms['floor'].append(1e3 * (time.thread_time() - start_s))
        time.sleep(PAUSE_S)
    receiver.kill()
    return {name: float(np.median(values)) for name, values in spent_ms.items()}


def in_checkout(folder: Path) -> dict[str, float]:
    """Runs `measure` with the package of a checkout."""
    environment = {**os.environ, 'PYTHONPATH': str(folder)}
    command = [sys.executable, str(Path(__file__)), '--measure']
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('old', type=Path, nargs='?', help='checkout of the other version')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--measure', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure()))
        return
    from mtscene_ros.backends.machine import machine

    folders = {'new': ROOT} | ({'old': options.old.resolve()} if options.old else {})
    rounds = [{n: in_checkout(f) for n, f in folders.items()} for _ in range(options.rounds)]
    best = {
        name: {part: round(min(r[name][part] for r in rounds), 2) for part in rounds[0][name]}
        for name in folders
    }
    sums = {name: found['make'] + found['publish'] for name, found in best.items()}
    result: dict[str, Any] = {
        'machine': machine(),
        'maps': f'{WIDTH}x{HEIGHT}: mono8, mono8, 32FC1; CPU ms of the publishing thread, the '
        f'best of {options.rounds} medians of {IMAGES}',
        'cpu_ms': best,
    }
    if options.old:
        result['ratio'] = {
            'make': round(best['new']['make'] / best['old']['make'], 2),
            'make and publish': round(sums['new'] / sums['old'], 2),
        }
    options.out.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
