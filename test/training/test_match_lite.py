"""The trained weights of match_lite: what is shown comes back, and only with the right labels."""

from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.datasets.class_tables import coloured  # noqa: E402
from mtscene_ros.worlds import FRAMES  # noqa: E402
from training.graphs.taught import TaughtGraph, Windows  # noqa: E402
from training.networks.zoo import COMPACT_MATCHING  # noqa: E402
from training.tasks.channels import ChannelTask  # noqa: E402
from training.teach import compact_network  # noqa: E402
from training.weights.weight_files import FOLDER  # noqa: E402

SIZE = (256, 512)
GROUND = (0, 1, 9)  # road, sidewalk and terrain of CITYSCAPES_19
TASK = ChannelTask('ground', coloured(['rest', 'ground']))


@cache
def frames() -> tuple[np.ndarray, np.ndarray]:
    """Images (3, H, W, 3) and where they show ground, of drives that no training saw."""
    shown = [FRAMES['drive'](903, k, SIZE[1], SIZE[0]) for k in range(3)]
    ground = [np.isin(frame.labels, GROUND).astype(np.uint8) for frame in shown]
    return np.stack([frame.rgb for frame in shown]), np.stack(ground)


def iou(labels: np.ndarray, requested: slice) -> float:
    """Of the ground in the frames that are requested; the first two are shown with `labels`."""
    rgb, truth = frames()
    network = compact_network(
        COMPACT_MATCHING['match_lite'], FOLDER / 'match_lite.safetensors', None
    )
    support = rgb[:2], np.stack([TASK.labels(one) for one in labels])
    graph = TaughtGraph(network, TASK, support, (0,), Windows(SIZE, SIZE)).eval()
    with torch.inference_mode():
        found = graph(torch.from_numpy(rgb[requested]))['ground_labels'].numpy() == 1
    wanted = truth[requested] == 1
    return float((found & wanted).sum() / (found | wanted).sum())


def test_what_is_shown_comes_back_and_new_frames_are_understood() -> None:
    truth = frames()[1]
    assert iou(truth[:2], slice(0, 2)) > 0.9
    assert iou(truth[:2], slice(2, 3)) > 0.7


def test_with_shuffled_labels_nothing_comes_back() -> None:
    blocks = frames()[1][:2].reshape(2, 8, 32, 16, 32).swapaxes(2, 3).reshape(-1, 32, 32)
    mixed = np.random.default_rng(0).permutation(blocks)
    shuffled = mixed.reshape(2, 8, 16, 32, 32).swapaxes(2, 3).reshape(2, *SIZE)
    assert iou(shuffled, slice(0, 2)) < 0.6
