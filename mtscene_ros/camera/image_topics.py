"""What the name of an image topic says: how it travels, whether it is rectified, which camera_info
belongs to it."""

from __future__ import annotations

# Last parts that image_transport's plugins add to the name of an image topic.
TRANSPORTS = ('compressed', 'compressedDepth', 'theora', 'ffmpeg', 'zstd', 'foxglove', 'rvl')
RECTIFIED = {'rect', 'rectified', 'undistorted', 'undist'}
# Last parts that say nothing, so that the part before them counts: rgb/color/rect/image (ZED).
PLAIN = {'image', 'img', 'color', 'colour', 'rgb', 'mono'}


def base_topic(topic: str) -> str:
    """Returns an image topic without the part that a transport has added."""
    head, _, last = topic.rpartition('/')
    return head if last in TRANSPORTS and head else topic


def says_rectified(topic: str) -> bool:
    """Whether the name says that the images are rectified, as image_proc names them.

    '/camera/image_rect_color' does, '/camera/image_raw' does not.
    """
    parts = [part for part in base_topic(topic).lower().split('/') if part]
    while parts:
        words = set(parts.pop().split('_'))
        if words & RECTIFIED:
            return True
        if not words <= PLAIN:
            return False
    return False


def camera_info_topic(image_topic: str) -> str:
    """Returns the camera_info topic of an image topic, as image_pipeline derives it."""
    return f'{base_topic(image_topic).rpartition("/")[0]}/camera_info'


def camera_info_topics(image_topic: str) -> list[str]:
    """Returns the names under which the camera_info of an image topic is found, usual ones first.

    As image_pipeline derives it, then as MultiSense (below the image), Isaac's and ZED's rectified
    streams and RealSense Viewer name it.
    """
    base = base_topic(image_topic)
    folder, _, last = base.rpartition('/')
    above = folder.rpartition('/')[0]
    names = [camera_info_topic(image_topic), f'{base}/camera_info']
    if says_rectified(image_topic):
        names.insert(0, f'{folder}/camera_info_rect')
    names += [f'{folder}/{last}_info', f'{folder}/{last}_camera_info', f'{folder}/info']
    names += [f'{above}/info/camera_info', f'{folder}/info/camera_info']
    names += [f'{folder}/camera_info_rect', f'{folder}/camera_info_raw']
    return list(dict.fromkeys(names))
