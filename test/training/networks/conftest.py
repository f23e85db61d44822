"""Generates the predictions and labels behind the reference numbers in test/data/networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip('torch')

from training.networks.detection3d import DetectionMaps
from training.parity import normal, uniform

Arrays = dict[str, NDArray[Any]]
LEVELS = [(96, 192), (48, 96), (24, 48), (24, 48), (12, 24)]


@pytest.fixture(scope='session')
def data() -> Path:
    return Path(__file__).parents[2] / 'data/networks'


@pytest.fixture(scope='session')
def head_output() -> Callable[[str, int], DetectionMaps]:
    return made_up_head_output


def made_up_head_output(tag: str, batch: int) -> DetectionMaps:
    import torch

    maps = DetectionMaps([], [], [], [])
    for level, (h, w) in enumerate(LEVELS):

        def draw(name: str, channels: int, at: tuple[int, int, int] = (level, h, w)) -> Any:
            level, h, w = at
            seed = f'{tag}/{name}/{level}/{batch}x{channels}x{h}x{w}'
            return normal(seed, (batch, channels, h, w)).astype(np.float32)

        box = draw('bbox', 13)
        box[:, 0:2] *= 0.7
        for channel, (mean, spread) in enumerate(
            ((3, 0.5), (1.4, 0.15), (0.6, 0.1), (0.5, 0.1)), 2
        ):
            box[:, channel] = np.exp(np.float32(mean) + np.float32(spread) * box[:, channel])
        box[:, 6:9] *= 1.5
        box[:, 9:13] = np.maximum(2.0 + box[:, 9:13], 0)
        cls = draw('cls', 6) * np.float32(1.2) - np.float32(3.0)
        maps.scores.append(torch.from_numpy(cls))
        maps.boxes.append(torch.from_numpy(box))
        maps.directions.append(torch.from_numpy(draw('dir', 6)))
        maps.centerness.append(torch.from_numpy(draw('ctr', 1) * np.float32(1.5)))
    return maps


@pytest.fixture(scope='session')
def dense_case() -> tuple[Arrays, Arrays]:
    """Returns raw predictions and labels by task."""
    size = (2, 1, 24, 32)
    ignored = uniform('dl/ign', size) < 0.1
    normals = normal('dl/nor', (2, 3, 24, 32))
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    labels = {
        'semseg': np.where(ignored, 255, np.floor(uniform('dl/seg', size) * 21)),
        'human_parts': np.where(ignored, 255, np.floor(uniform('dl/hp', size) * 7)),
        'sal': np.where(ignored, 255, uniform('dl/sal', size) < 0.3),
        'edge': np.where(ignored, 255, uniform('dl/edge', size) < 0.05),
        'depth': np.where(ignored, -1, 0.5 + 9 * uniform('dl/dep', size)),
        'normals': np.where(np.repeat(ignored, 3, 1), 255, unit),
    }
    tags = {'semseg': 'seg', 'human_parts': 'hp', 'normals': 'nor', 'depth': 'dep'}
    channels = {'semseg': 21, 'human_parts': 7, 'sal': 2, 'normals': 3, 'edge': 1, 'depth': 1}
    predictions = {
        task: normal(f'dl/p{tags.get(task, task)}', (2, c, 24, 32)).astype(np.float32)
        for task, c in channels.items()
    }
    return predictions, {task: label.astype(np.float32) for task, label in labels.items()}
