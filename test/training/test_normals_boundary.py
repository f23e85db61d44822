"""Normals and boundaries: truth, augmentation, targets and losses with hand-checked numbers."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip('torch')

from mtscene_ros.types import Intrinsics  # noqa: E402
from mtscene_ros.worlds.drive import drive_frame  # noqa: E402
from mtscene_ros.worlds.frame import boundary_of  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.data import augment, worlds  # noqa: E402
from training.data.sample import Sample  # noqa: E402
from training.tasks import boundary, normals  # noqa: E402

CONFIG = CONFIGS['test']
RNG = np.random.default_rng(0)


def sample(height: int = 2, width: int = 4, **further: NDArray[np.generic]) -> Sample:
    """Returns an image without boxes."""
    camera = Intrinsics(width, height, 10.0, 10.0, 1.0, 1.0)
    image = np.zeros((height, width, 3), np.uint8)
    empty, one = np.zeros((0, 3)), np.zeros(0)
    return replace(
        Sample(
            image,
            image[..., 0],
            np.ones((height, width), np.float32),
            camera,
            np.zeros(0, np.int64),
            empty,
            empty,
            one,
            one.astype(np.float32),
            one.astype(np.float32),
        ),
        **further,
    )


def leaning(height: int = 2, width: int = 4) -> NDArray[np.float32]:
    """Returns unit vectors (0.6, 0, -0.8) except in the left column, which is unknown."""
    found = np.zeros((height, width, 3), np.float32)
    found[:, 1:] = 0.6, 0.0, -0.8
    return found


def test_boundary_lies_left_and_above() -> None:
    labels = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]], np.uint8)
    instances = np.array([[0, 0, 0], [0, 0, 0], [3, 0, 0]], np.uint16)
    found = boundary_of(labels, instances)
    assert found.tolist() == [[0, 1, 0], [1, 1, 1], [1, 0, 0]]


def test_world_frame_keeps_both_through_a_file(tmp_path: Path) -> None:
    truth = worlds.sample_from_world(drive_frame(3, 0, 64, 32))
    worlds.write_sample(truth, tmp_path / '3_000000.npz')
    found = worlds.read_sample(tmp_path / '3_000000.npz')
    assert truth.normals is not None
    assert found.normals is not None
    np.testing.assert_allclose(found.normals, truth.normals, atol=1 / 127)
    np.testing.assert_array_equal(found.boundary, truth.boundary)


def test_a_file_without_them_loads(tmp_path: Path) -> None:
    worlds.write_sample(sample(), tmp_path / '3_000000.npz')
    found = worlds.read_sample(tmp_path / '3_000000.npz')
    assert found.normals is None
    assert found.boundary is None


def test_flip_negates_x() -> None:
    edge = np.array([[1, 0, 0, 0]] * 2, np.uint8)
    found = augment.flipped(sample(normals=leaning(), boundary=edge))
    np.testing.assert_allclose(found.normals[0, 0], [-0.6, 0, -0.8])
    assert found.normals[0, 3].tolist() == [0, 0, 0]
    assert found.boundary[0].tolist() == [0, 0, 0, 1]


def test_crop_and_letterbox() -> None:
    edge = np.array([[0, 1, 0, 0]] * 2, np.uint8)
    cut = augment.cropped(sample(normals=leaning(), boundary=edge), 1, 0, 2, 2)
    assert cut.boundary.tolist() == [[1, 0], [1, 0]]
    found = augment.letterboxed(cut, 4, 2)  # one column of padding on either side
    assert found.boundary[0].tolist() == [255, 1, 0, 255]
    assert found.normals[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.normals[0, 1], [0.6, 0, -0.8])


def test_a_thin_line_survives_shrinking() -> None:
    for column in range(8):
        edge = np.zeros((4, 8), np.uint8)
        edge[:, column] = 1
        small = augment.letterboxed(sample(4, 8, normals=leaning(4, 8), boundary=edge), 4, 2)
        assert small.boundary.tolist() == [np.eye(4, dtype=int)[column // 2].tolist()] * 2


def test_boundary_targets_merge_two_by_two() -> None:
    edge = np.array([[0, 0, 1, 255, 0, 255], [0, 0, 0, 0, 0, 0]], np.uint8)
    found = boundary.targets(sample(2, 6, boundary=edge), CONFIG, RNG)
    assert found['boundary'].tolist() == [[[0, 1, 255]]]


def test_boundary_loss() -> None:
    truth = torch.tensor([[[[1.0, 1.0], [0.0, 255.0]]]])  # logit 0: every known pixel costs ln 2
    found = boundary.loss(torch.zeros(1, 1, 1, 1), {'boundary': truth})
    assert found.item() == pytest.approx(math.log(2) * (0.95 + 0.95 + 0.05) / 3)
    early = boundary.preliminary_loss(torch.zeros(1, 1, 1, 1), {'boundary': truth})
    assert early.item() == pytest.approx(math.log(2) * 0.95)


def test_normals_loss_over_known_pixels() -> None:
    found = normals.targets(sample(4, 4, normals=leaning(4, 4)), CONFIG, RNG)['normals']
    truth = torch.tensor([0.6, 0.0, -0.8]).reshape(1, 3, 1, 1).repeat(1, 1, 2, 2)
    truth[..., 0] = 255.0
    assert set(np.unique(found)) <= {np.float32(v) for v in (0.6, 0.0, -0.8, 255.0)}
    ahead = torch.tensor([0.0, 0.0, -5.0]).reshape(1, 3, 1, 1)
    loss = normals.loss(ahead, {'normals': truth})  # |0.6| + |0| + |0.2|; length does not count
    assert loss.item() == pytest.approx(0.8)


@pytest.mark.parametrize('task', [normals, boundary])
def test_a_frame_without_truth_adds_no_loss(task: type[normals]) -> None:
    found = task.targets(sample(32, 32), CONFIG, RNG)
    truth = {name: torch.from_numpy(value)[None] for name, value in found.items()}
    channels = task.channels(CONFIG)[0]
    late = torch.ones(1, channels, 8, 8, requires_grad=True)
    early = torch.ones(1, channels, 2, 2, requires_grad=True)
    total = task.loss(late, truth) + task.preliminary_loss(early, truth)
    total.backward()
    assert total.item() == 0
    assert late.grad is not None
    assert not late.grad.any()


def test_decoded_outputs() -> None:
    raw = torch.tensor([3.0, 0.0, -4.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 3)
    found = normals.dense_decode(raw, CONFIG)['normals']
    assert found.shape == (1, 3, 4, 6)
    torch.testing.assert_close(found[0, :, 2, 2], torch.tensor([0.6, 0.0, -0.8]))
    probability = boundary.dense_decode(torch.full((1, 1, 2, 3), math.log(3)), CONFIG)['boundary']
    torch.testing.assert_close(probability, torch.full((1, 4, 6), 0.75))
