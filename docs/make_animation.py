"""docs/drive.webp: a generated drive, and what the bundled model says about it, for 15 seconds.

    python docs/make_animation.py [--seed 9] [--seconds 15] [-o docs/drive.webp]

Each frame is predicted on its own, as the node does; nothing is chosen or smoothed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.outputs import confident
from mtscene_ros.estimator import open_estimator
from mtscene_ros.report.scene_panels import PanelStyle, scene_picture
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds.drive import drive_sequence

RATE_HZ = 8.0
SIZE_PX, PANEL_PX = (960, 480), 480
MIN_SCORE = 0.3  # as the node's parameter
MOST_BYTES = 3_000_000


def pictures(seed: int, seconds: float) -> Iterator[NDArray[np.uint8]]:
    """Yields (H, W, 3) RGB: labels and boxes over the image, depth beside it, the legend below."""
    estimator = open_estimator()
    style = PanelStyle(('semantic', 'boxes3d', 'depth'), PANEL_PX)
    for world in drive_sequence(seed, round(seconds * RATE_HZ), RATE_HZ, *SIZE_PX):
        frame = CameraFrame(world.rgb, world.intrinsics, world.stamp_ns, 'camera')
        [scene] = estimator.estimate([frame])
        yield scene_picture(confident(scene, MIN_SCORE), style)
    estimator.backend.close()


def write_webp(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """Writes with the highest quality that fits MOST_BYTES; it repeats for ever."""
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]
    animation.durations = [round(1000 / RATE_HZ)] * len(frames)
    for quality in range(80, 10, -8):
        cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, quality])
        if path.stat().st_size <= MOST_BYTES:
            print(f'{path}: quality {quality}, {path.stat().st_size / 1e6:.2f} MB')
            return
    raise ValueError(f'{path} does not fit into {MOST_BYTES} bytes; shorten it.')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=9)
    parser.add_argument('--seconds', type=float, default=15.0)
    parser.add_argument('-o', '--out', type=Path, default=Path(__file__).with_name('drive.webp'))
    options = parser.parse_args()
    write_webp(options.out, list(pictures(options.seed, options.seconds)))


if __name__ == '__main__':
    main()
