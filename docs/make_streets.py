"""docs/streets.jpg: what drive_lite and street_lite see on frames of a folder, beside the input.

python docs/make_streets.py ../shared/data/unlabelled_streets/california_highway

Only pictures whose licence allows it may go into the repository; those of that folder are under
MIT.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import depth_rgb, overlay
from mtscene_ros.estimator import SceneModel, open_model

ROWS, SIZE, MAX_M = 8, (240, 135), 60.0
MIN_SCORE = 0.3  # of boxes, as on the node


def view(model: SceneModel, rgb: NDArray[np.uint8]) -> NDArray[Any]:
    """Returns labels with boxes beside depth."""
    scene = model.estimate(rgb, horizontal_fov_deg=55.0)
    boxes = scene.boxes.select(scene.boxes.scores >= MIN_SCORE)
    scene = replace(scene, results={**scene.results, 'boxes3d': boxes})
    pictures = overlay(scene), depth_rgb(scene.depth_m, MAX_M)
    return np.hstack([cv2.resize(picture, SIZE) for picture in pictures])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    options = parser.parse_args(arguments)
    files = sorted(options.folder.glob('*.jpg'))
    chosen = [files[k] for k in np.linspace(0, len(files) - 1, ROWS).astype(int)]
    rows = []
    with open_model('drive_lite', 'onnxruntime') as old, open_model('street_lite') as new:
        for path in chosen:
            rgb = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1], np.uint8)
            rows.append(np.hstack([cv2.resize(rgb, SIZE), view(old, rgb), view(new, rgb)]))
    picture = np.vstack(rows)[:, :, ::-1]
    target = Path(__file__).with_name('streets.jpg')
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    print(target)


if __name__ == '__main__':
    main()
