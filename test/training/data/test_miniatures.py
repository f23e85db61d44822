"""The ground truth of a generated scene survives the layouts of the published data sets."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')

from mtscene_ros.camera.geometry import matrix_from_quaternion
from mtscene_ros.datasets.classes import camvid_from_cityscapes
from mtscene_ros.types import UNLABELED
from mtscene_ros.worlds import FRAMES
from mtscene_ros.worlds.frame import WorldFrame, boundary_of
from training.data import DATASETS
from training.data.miniature import BASELINE_M, LAYOUTS
from training.data.sample import Sample

from .conftest import SIZES_PX


def both(miniatures: Path, layout: str, index: int = 1) -> tuple[Sample, WorldFrame]:
    data_set, folder = DATASETS[layout], miniatures / layout
    sample = data_set.read(folder, data_set.names(folder, 'val')[index])
    return sample, FRAMES[LAYOUTS[layout][0]](71, index, *SIZES_PX[layout])


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1))).max())


def test_nyud(miniatures: Path) -> None:
    sample, frame = both(miniatures, 'nyud')
    np.testing.assert_array_equal(sample.rgb, frame.rgb)
    np.testing.assert_array_equal(sample.labels, frame.labels)
    np.testing.assert_array_equal(sample.depth_m, frame.depth_m)
    assert sample.boundary is not None
    thick = boundary_of(frame.labels, frame.instances)
    assert (sample.boundary <= thick).all()
    assert sample.boundary.sum() > thick.sum() / 2
    assert sample.normals is not None
    assert angle_deg(sample.normals, frame.normals) < 0.6  # steps of 2 / 255


def test_pascal_context(miniatures: Path) -> None:
    for index in (0, 1):  # one has its classes under VOC12, the other under pascal-context
        sample, frame = both(miniatures, 'pascal_context', index)
        np.testing.assert_array_equal(sample.labels, frame.labels)
        np.testing.assert_array_equal(sample.saliency, frame.saliency)
        np.testing.assert_array_equal(sample.human_parts, frame.human_parts)
        assert sample.normals is not None
        believed = np.abs(sample.normals).max(2) > 0
        # NYU has PASCAL's chair, sofa and person; television sets are accepted too.
        assert set(np.unique(frame.labels[believed])) <= {9, 15, 18, 20}
        assert angle_deg(sample.normals[believed], frame.normals[believed]) < 0.6
        assert sample.boundary is not None
        assert 0 < sample.boundary.mean() < 0.2


def test_cityscapes3d(miniatures: Path) -> None:
    sample, frame = both(miniatures, 'cityscapes3d')
    np.testing.assert_array_equal(sample.labels, frame.labels)
    near = frame.depth_m < 60
    step_px = 1 / 256
    disparity = BASELINE_M * frame.intrinsics.fx_px / frame.depth_m[near]
    off = abs(BASELINE_M * frame.intrinsics.fx_px / sample.depth_m[near] - disparity)
    assert off.max() <= 0.501 * step_px
    assert np.isinf(sample.depth_m[sample.labels == 10]).all()
    vehicles = np.flatnonzero(frame.boxes.class_ids < 6)
    assert len(vehicles) == len(sample.class_ids) > 0
    boxes = frame.boxes.select(vehicles)
    np.testing.assert_allclose(sample.centers_m, boxes.centers_m, atol=1e-9)
    assert sample.quaternions_xyzw is not None
    turned = (matrix_from_quaternion(q) for q in (sample.quaternions_xyzw, boxes.quaternions_xyzw))
    np.testing.assert_allclose(*turned, atol=1e-9)


def test_the_published_loader_mistakes_rails_for_sky(miniatures: Path) -> None:
    folder = miniatures / 'cityscapes3d'
    right, published = (
        DATASETS[name].read(folder, DATASETS[name].names(folder, 'val')[0])
        for name in ('cityscapes3d', 'cityscapes3d_compat')
    )
    sky = right.labels == 10
    assert np.isinf(right.depth_m[sky]).all()
    other = ~sky
    np.testing.assert_array_equal(right.depth_m[other], published.depth_m[other])


def test_camvid(miniatures: Path) -> None:
    sample, frame = both(miniatures, 'camvid')
    np.testing.assert_array_equal(sample.labels, camvid_from_cityscapes()[frame.labels])
    assert set(np.unique(sample.labels)) <= {*range(11), UNLABELED}
    assert not sample.has_boxes


@pytest.mark.parametrize('layout', sorted(LAYOUTS))
def test_splits(miniatures: Path, layout: str) -> None:
    names = {s: DATASETS[layout].names(miniatures / layout, s) for s in ('train', 'val')}
    assert len(names['val']) == 2
    assert 0 < len(names['train']) <= 3
