"""docs/worlds.jpg: image, classes, depth and normals of one frame of every generated world.

python docs/make_worlds.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.worlds import FRAMES
from mtscene_ros.worlds.frame import WorldFrame

HEIGHT = 180
SHOWN = {'drive': (5, 0, 360), 'room': (5, 10, 240), 'figure': (5, 3, 240)}  # seed, index, width


def views(frame: WorldFrame) -> list[NDArray[Any]]:
    """RGB pictures."""
    palette = np.array([c.color_rgb for c in frame.classes], np.uint8)
    classes = palette[frame.labels]
    if frame.human_parts is not None and frame.saliency is not None:
        parts = np.array(
            [(0, 0, 0), *np.random.default_rng(3).integers(60, 255, (6, 3))], np.uint8
        )
        classes = parts[frame.human_parts]
    near = 1 / np.maximum(frame.depth_m, 1e-3)
    scaled = np.clip(255 * near / np.quantile(near, 0.99), 0, 255).astype(np.uint8)
    depth = cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    normals = (127.5 * (frame.normals * [1, -1, -1] + 1)).astype(np.uint8)
    return [frame.rgb, classes, depth, normals]


def main() -> None:
    columns = []
    for world, (seed, index, width) in SHOWN.items():
        frame = FRAMES[world](seed, index, 2 * width, 2 * HEIGHT)
        columns.append(np.vstack([cv2.resize(v, (width, HEIGHT)) for v in views(frame)]))
    picture = np.hstack(columns)[:, :, ::-1]
    path = Path(__file__).with_name('worlds.jpg')
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path)


if __name__ == '__main__':
    main()
