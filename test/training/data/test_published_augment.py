"""The papers' augmentation keeps image, depth, boxes and intrinsics together."""

import numpy as np
import pytest

pytest.importorskip('torch')

from mtscene_ros.camera.geometry import project
from mtscene_ros.worlds.drive import drive_frame
from training.data.published_augment import (
    distorted,
    padded,
    published,
    scaled,
    varied_crop,
)
from training.data.sample import Sample
from training.data.worlds import sample_from_world


@pytest.fixture(scope='module')
def sample() -> Sample:
    return sample_from_world(drive_frame(3, 1, 128, 64))


def test_twice_as_large_is_twice_as_near(sample: Sample) -> None:
    found = scaled(sample, 2.0)
    assert found.rgb.shape == (128, 256, 3)
    np.testing.assert_allclose(found.depth_m[::2, ::2], sample.depth_m / 2)
    assert (found.labels[::2, ::2] == sample.labels).all()
    assert found.intrinsics.fx_px == sample.intrinsics.fx_px
    before = project(sample.centers_m, sample.intrinsics)
    np.testing.assert_allclose(project(found.centers_m, found.intrinsics), before * 2 + 0.5)


def test_a_crop_avoids_a_single_class(sample: Sample) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        labels = varied_crop(scaled(sample, 2.0), 128, 64, rng).labels
        assert labels.shape == (64, 128)
        assert np.bincount(labels.ravel()).max() < 0.75 * labels.size


def test_padding_is_unknown_and_moves_the_centre(sample: Sample) -> None:
    found = padded(sample, 132, 70)
    assert (found.labels[:3] == 255).all()
    assert np.isnan(found.depth_m[:, :2]).all()
    assert found.intrinsics.cx_px == sample.intrinsics.cx_px + 2
    assert found.intrinsics.cy_px == sample.intrinsics.cy_px + 3


def test_distortion_stays_within_its_bounds() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    rng = np.random.default_rng(1)
    found = np.array([distorted(grey, rng)[0, 0] for _ in range(300)])
    assert found.min() >= round((100 - 32) * 0.5)
    assert found.max() <= round((100 + 32) * 1.5)
    assert np.ptp(found, 1).max() == 0  # grey has no saturation to change
    assert len(np.unique(found)) > 50


def test_the_whole_recipe(sample: Sample) -> None:
    found = published(sample, 96, 64, np.random.default_rng(2))
    shapes = {found.rgb.shape[:2], found.labels.shape, found.depth_m.shape}
    assert shapes == {(64, 96)}
    assert found.normals is not None
    assert found.normals.shape == (64, 96, 3)
