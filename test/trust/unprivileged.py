"""A camera, the node and a listener, to be run by a user who may write nowhere else: ends with 0
when a label image came, and keeps the node's files as they are then.

python test/trust/unprivileged.py MODEL LISTING
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from sensor_msgs.msg import Image

WHERE = ('/tmp', '/var/tmp', '/dev/shm', '/run', os.environ['HOME'])


def owned() -> list[str]:
    """Everything there that belongs to this user."""
    found = [
        os.path.join(folder, name)
        for top in WHERE
        for folder, folders, files in os.walk(top)
        for name in (*folders, *files)
    ]
    return sorted({path for path in found if owner(path) == os.geteuid()})


def owner(path: str) -> int:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return -1


def main(model: str, listing: Path) -> int:
    command = [sys.executable, '-m', 'mtscene_ros.ros.node', '--ros-args', '-p', f'model:={model}']
    command += ['-p', 'backend:=onnxruntime', '-p', 'threads:=1', '-r', 'image:=/camera/image_raw']
    process = subprocess.Popen(command, cwd='/')
    rclpy.init()
    node = rclpy.create_node('camera')
    camera = node.create_publisher(Image, '/camera/image_raw', 1)
    got: list[Image] = []
    node.create_subscription(Image, '/perception/semantic/image', got.append, 1)
    image = Image(encoding='rgb8', width=64, height=32, step=192, data=bytes(64 * 32 * 3))
    end_s = time.monotonic() + 120
    while not got and process.poll() is None and time.monotonic() < end_s:
        camera.publish(image)
        rclpy.spin_once(node, timeout_sec=0.2)
    during = owned()
    process.send_signal(signal.SIGINT)
    process.wait(120)
    listing.write_text('\n'.join(sorted({*during, *owned()})))
    return 0 if got else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
