"""docs/taught.jpg: frames that teach, new frames, and what a taught model answers.

python -m docs.make_taught
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mtscene_ros.worlds import FRAMES
from mtscene_ros.worlds.frame import WorldFrame
from training.graphs.taught import TaughtGraph, Windows
from training.networks.zoo import COMPACT_MATCHING
from training.tasks.channels import ChannelTask
from training.teach import compact_network
from training.weights.weight_files import FOLDER

SHOWN, ASKED = 10, 4  # frames that teach, frames that are asked for and drawn
SEEDS = (31, 32)
SIZE_PX = (256, 512)  # height, width
DRAWN_PX = (320, 160)


def answers(shown: list[WorldFrame], asked: list[WorldFrame]) -> NDArray[Any]:
    """Ids (N, H, W)."""
    weights = FOLDER / 'match_lite.safetensors'
    network = compact_network(COMPACT_MATCHING['match_lite'], weights, None)
    task = ChannelTask('street', shown[0].classes)
    rgb = np.stack([frame.rgb for frame in shown])
    labels = np.stack([task.labels(frame.labels) for frame in shown])
    graph = TaughtGraph(network, task, (rgb, labels), (0,), Windows(SIZE_PX, SIZE_PX)).eval()
    with torch.inference_mode():
        found = graph(torch.from_numpy(np.stack([frame.rgb for frame in asked])))
    return np.asarray(found['street_labels'])


def main() -> None:
    height, width = SIZE_PX
    shown, asked = (
        [FRAMES['drive'](seed, k, width, height) for k in range(count)]
        for seed, count in zip(SEEDS, (SHOWN, ASKED), strict=True)
    )
    palette = np.array([c.color_rgb for c in shown[0].classes], np.uint8)
    rows = [
        [frame.rgb for frame in shown[:ASKED]],
        [palette[np.minimum(frame.labels, len(palette) - 1)] for frame in shown[:ASKED]],
        [frame.rgb for frame in asked],
        list(palette[answers(shown, asked)]),
    ]
    picture = np.vstack([np.hstack([cv2.resize(p, DRAWN_PX) for p in row]) for row in rows])
    path = Path(__file__).with_name('taught.jpg')
    cv2.imwrite(str(path), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path)


if __name__ == '__main__':
    main()
