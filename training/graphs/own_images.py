"""Images of the user's own: a folder of files or a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.node_results import color_images, pixels
from mtscene_ros.types import CameraFrame, Intrinsics

IMAGE_SUFFIXES = {'.png', '.jpg', '.jpeg'}


def frames_of(path: Path, most: int, least: int = 1) -> list[CameraFrame]:
    """Up to `most` images, spread evenly over a folder or a recording.

    Where a camera is not known its focal length is taken to be the width: scales cancel when two
    models are compared. Raises ValueError where there are fewer than `least`.
    """
    images = list(folder_images(path, most) if is_folder(path) else bag_images(path, most))
    if len(images) < least:
        raise ValueError(
            f'{path} gives {len(images)} images; give a folder with at least {least} PNG or JPEG '
            'files, or a recording with a camera.'
        )
    return [frame_of(rgb, index) for index, rgb in enumerate(images)]


def is_folder(path: Path) -> bool:
    """Of images; a recording may be a folder as well."""
    return path.is_dir() and not (path / 'metadata.yaml').exists()


def spread(count: int, most: int) -> set[int]:
    return set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())


def folder_images(path: Path, most: int) -> Iterator[NDArray[np.uint8]]:
    files = sorted(f for f in path.rglob('*') if f.suffix.lower() in IMAGE_SUFFIXES)
    for index in sorted(spread(len(files), most)):
        bgr = cv2.imread(str(files[index]))
        if bgr is None:
            raise ValueError(f'{files[index]} cannot be read; remove it or repair it.')
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
