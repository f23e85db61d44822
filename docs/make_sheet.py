"""docs/sheet.jpg: what the bundled models see on real frames, before and after they learned more.

python docs/make_sheet.py STREETS ROOMS

STREETS and ROOMS are folders of pictures; on streets drive_lite is compared with street_lite, in
rooms with room_lite. Only pictures whose licence allows it may go into the repository: those of
../shared/data/unlabelled_streets/california_highway and ../shared/data/rgbd_rooms/office_hololens
come under MIT.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import depth_rgb, overlay
from mtscene_ros.camera.photograph import rgb_of_file
from mtscene_ros.estimator import SceneModel, open_model
from mtscene_ros.types import Boxes3D

BEFORE = 'drive_lite'
SIZE_PX = (192, 108)
MIN_SCORE = 0.3  # of boxes, as on the node
COLUMNS = 2  # frames side by side
# Rows, angle of view in degrees, depth with the last colour in metres, model that learned more.
STREETS = 16, 55.0, 60.0, 'street_lite'
ROOMS = 8, 57.0, 8.0, 'room_lite'


def view(model: SceneModel, rgb: NDArray[np.uint8], fov_deg: float, end_m: float) -> NDArray[Any]:
    """Returns labels with boxes beside depth."""
    scene = model.estimate(rgb, horizontal_fov_deg=fov_deg)
    boxes = scene.results.get('boxes3d')
    if isinstance(boxes, Boxes3D):
        shown = boxes.select(boxes.scores >= MIN_SCORE)
        scene = replace(scene, results={**scene.results, 'boxes3d': shown})
    pictures = overlay(scene), depth_rgb(scene.depth_m, end_m)
    return np.hstack([cv2.resize(picture, SIZE_PX) for picture in pictures])


def rows(folder: Path, count: int, fov_deg: float, end_m: float, name: str) -> Iterator[Any]:
    """Yields one strip a frame: input, labels and depth before, labels and depth after."""
    files = sorted(folder.glob('*.jpg'))
    with open_model(BEFORE, 'onnxruntime') as old, open_model(name, 'onnxruntime') as new:
        for k in np.linspace(0, len(files) - 1, count).astype(int):
            rgb = rgb_of_file(files[k])
            views = [view(model, rgb, fov_deg, end_m) for model in (old, new)]
            yield np.hstack([cv2.resize(rgb, SIZE_PX), *views])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('streets', type=Path)
    parser.add_argument('rooms', type=Path)
    options = parser.parse_args(arguments)
    strips = [*rows(options.streets, *STREETS), *rows(options.rooms, *ROOMS)]
    lines = [np.hstack(strips[k : k + COLUMNS]) for k in range(0, len(strips), COLUMNS)]
    target = Path(__file__).with_name('sheet.jpg')
    cv2.imwrite(str(target), np.vstack(lines)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    print(target)


if __name__ == '__main__':
    main()
