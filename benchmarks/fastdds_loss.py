"""Counts best-effort images lost between two processes, without and with config/fastdds.xml.

python benchmarks/fastdds_loss.py [--seconds 20] >> benchmarks/results/fastdds_loss.md
"""

from __future__ import annotations

import argparse
import array
import datetime
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
PROFILE = Path(__file__).resolve().parents[1] / 'config' / 'fastdds.xml'
WIDTH_PX, HEIGHT_PX, RATE_HZ = 720, 480, 30.0  # rgb8: 1.04 MB
QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def publish(count: int) -> None:
    """Runs the camera: waits for the subscriber, then sends `count` numbered images at RATE_HZ."""
    rclpy.init()
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, 'image', QOS)
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    time.sleep(1.0)  # the subscriber must discover the publisher too
    message = Image(height=HEIGHT_PX, width=WIDTH_PX, step=3 * WIDTH_PX, encoding='rgb8')
    message.data = array.array('B', bytes(3 * WIDTH_PX * HEIGHT_PX))
    start_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start_s + number / RATE_HZ - time.monotonic()))
        message.header.frame_id = str(number)
        publisher.publish(message)
    time.sleep(1.0)


def received(count: int, profile: dict[str, str]) -> int:
    """Returns how many different images of `count` arrive with these environment variables."""
    environment = os.environ | profile
    command = [sys.executable, __file__, '--count', str(count)]
    camera = subprocess.Popen([*command, '--role', 'camera'], env=environment)
    viewer = subprocess.run(
        [*command, '--role', 'viewer'], env=environment, stdout=subprocess.PIPE, check=True
    )
    camera.wait()
    return int(viewer.stdout.split()[-1])


def subscribe(count: int) -> None:
    """Runs the viewer: prints how many different images arrived."""
    rclpy.init()
    node = rclpy.create_node('viewer')
    numbers: set[str] = set()
    node.create_subscription(Image, 'image', lambda m: numbers.add(m.header.frame_id), QOS)
    deadline_s = time.monotonic() + count / RATE_HZ + 10.0
    while len(numbers) < count and time.monotonic() < deadline_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(len(numbers))


def main() -> None:
    """Prints one line of a Markdown table per transport configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--count', type=int)
    parser.add_argument('--role', choices=('camera', 'viewer'))
    arguments = parser.parse_args()
    if arguments.role:
        {'camera': publish, 'viewer': subscribe}[arguments.role](arguments.count)
        return
    os.environ.pop(VARIABLE, None)
    sent = round(arguments.seconds * RATE_HZ)
    machine = f'{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}'
    for name, profile in (('defaults', {}), ('config/fastdds.xml', {VARIABLE: str(PROFILE)})):
        lost = 1 - received(sent, profile) / sent
        megabytes = 3e-6 * WIDTH_PX * HEIGHT_PX
        print(
            f'| {datetime.date.today()} | {machine} | {name} | {megabytes:.2f} MB at '
            f'{RATE_HZ:g} Hz | {sent} | {lost:.1%} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
