"""A camera that publishes until it hears ten statistics of the node: prints how many it heard.

python two_users_camera.py SECONDS WIDTH HEIGHT
"""

from __future__ import annotations

import sys
import time

import rclpy
from mtscene_msgs.msg import FrameStats
from sensor_msgs.msg import Image


def main(seconds: float, width: int, height: int) -> None:
    rclpy.init()
    node = rclpy.create_node('camera')
    heard: list[FrameStats] = []
    images = node.create_publisher(Image, '/camera/image_raw', 2)
    node.create_subscription(FrameStats, '/perception/debug/frame_stats', heard.append, 100)
    data = bytes(3 * width * height)
    image = Image(encoding='rgb8', width=width, height=height, step=3 * width, data=data)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s and len(heard) < 10:
        images.publish(image)
        rclpy.spin_once(node, timeout_sec=0.1)
    print(len(heard), flush=True)


if __name__ == '__main__':
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
