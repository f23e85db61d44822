"""Reads the user's own images from a folder of files or from a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.camera_choice import color_images
from mtscene_ros.recordings.node_results import pixels
from mtscene_ros.terminal import plural
from mtscene_ros.types import CameraFrame, Intrinsics

IMAGE_SUFFIXES = {'.png', '.jpg', '.jpeg'}


def frames_of(path: Path, most: int, least: int = 1) -> list[CameraFrame]:
    """Returns up to `most` images, evenly spaced over a folder or a recording.

    Without a known camera the focal length is assumed to equal the width, because scales cancel
    when two models are compared. Raises ValueError for fewer than `least` images.
    """
    images = list(folder_images(path, most) if is_folder(path) else bag_images(path, most))
    if len(images) < least:
        raise ValueError(
            f'{path} holds {plural(len(images), "usable image")}; give at '
            f'least {least} PNG or JPEG files, or a recording with a camera topic.'
        )
    return [frame_of(rgb, index) for index, rgb in enumerate(images)]


def is_folder(path: Path) -> bool:
    """Tells whether the path is a folder of images; a recording may be a folder too."""
    return path.is_dir() and not (path / 'metadata.yaml').exists()


def spread(count: int, most: int) -> set[int]:
    return set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())


def folder_images(path: Path, most: int) -> Iterator[NDArray[np.uint8]]:
    files = sorted(f for f in path.rglob('*') if f.suffix.lower() in IMAGE_SUFFIXES)
    for index in sorted(spread(len(files), most)):
        bgr = cv2.imread(str(files[index]))
        if bgr is None:
            raise ValueError(f'{files[index]} cannot be read; remove or repair it.')
        yield np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)


def bag_images(path: Path, most: int) -> Iterator[NDArray[np.uint8]]:
    with open_bag(path) as bag:
        topics = color_images(bag)[:1]
        wanted = spread(bag.topics[topics[0]].msgcount, most) if topics else set()
        found = bag.messages([c for c in bag.connections if c.topic in topics])
        for index, (connection, _, raw) in enumerate(found):
            if index in wanted:
                yield pixels(bag.deserialize(raw, connection.msgtype))


def frame_of(rgb: NDArray[np.uint8], index: int) -> CameraFrame:
    height, width = rgb.shape[:2]
    camera = Intrinsics.centered(width, height, width)
    return CameraFrame(rgb, camera, index, 'camera_optical_frame')
