"""Decoding, targets and losses of the published detection head against the authors' numbers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.camera.geometry import (  # noqa: E402
    intrinsics_from_matrix,
    matrix_from_quaternion,
    optical_from_level_box,
    quaternion_from_matrix,
)
from mtscene_ros.camera.letterbox import Letterbox  # noqa: E402
from mtscene_ros.datasets.classes import DRIVE_BOXES  # noqa: E402
from mtscene_ros.tasks import fcos3d  # noqa: E402
from mtscene_ros.types import CameraFrame  # noqa: E402
from training.learn.detection_losses import Objects, all_targets, detection_losses  # noqa: E402
from training.networks.detection3d import DetectionMaps, cell_values  # noqa: E402
from training.networks.zoo import TASKPROMPTER_SWIN_B  # noqa: E402
from training.scores.cityscapes3d_json import vehicle_annotations  # noqa: E402

HeadOutput = Callable[[str, int], DetectionMaps]
CAMERA = np.array([[2262.52, 0, 1096.98], [0, 2265.3017905988554, 513.137], [0, 0, 1]])
SENSOR_FROM_VEHICLE = np.array(
    [
        [0.9990881051503779, -0.01948468779721943, -0.03799085532693703, -1.6501524664770573],
        [0.019498764210995674, 0.9998098810245096, 0.0, -0.1331288872611436],
        [0.03798363254444427, -0.0007407747301939942, 0.9992780868764849, -1.2836173638418473],
    ]
)
INTRINSICS = intrinsics_from_matrix(CAMERA, 2048, 1024)
LEVELS = tuple(fcos3d.LevelGrid(*level) for level in TASKPROMPTER_SWIN_B.detection_levels)
STRIDES_PX = [level.stride_px for level in LEVELS]


@pytest.fixture(scope='module')
def found(head_output: HeadOutput) -> fcos3d.PublishedBoxes:
    scores, code = cell_values(head_output('det', 1), STRIDES_PX)
    options = fcos3d.Fcos3dOptions(DRIVE_BOXES[:6], LEVELS, 2262.52, 0.05, 200)
    frame = CameraFrame(np.zeros((1, 1, 3), np.uint8), INTRINSICS, 0, '')
    letterbox = Letterbox(2048, 1024, 2048, 1024)
    return fcos3d.published_boxes(scores[0].numpy(), code[0].numpy(), options, letterbox, frame)


def test_boxes_equal_the_authors_numbers(found: fcos3d.PublishedBoxes, data: Path) -> None:
    want = np.load(data / 'det_cs3d/decode.npz')
    boxes = np.concatenate([found.centers_m, found.sizes_m, found.angles_rad], 1)
    np.testing.assert_array_equal(found.class_ids, want['labels_3d'])
    np.testing.assert_allclose(found.scores, want['scores_3d'], atol=1e-6)
    np.testing.assert_allclose(boxes, want['boxes_3d'], atol=2e-5)
    np.testing.assert_allclose(found.uv_px, want['centers2d'][:, :2], atol=1e-3)
    np.testing.assert_allclose(found.bbox2d_px, want['bbox2d'][:, :4], atol=1e-3)


def test_annotations_in_the_vehicle_frame(found: fcos3d.PublishedBoxes, data: Path) -> None:
    want = json.loads((data / 'det_cs3d/objects_vehicle_frame.json').read_text())
    got = vehicle_annotations(found, DRIVE_BOXES[:6], INTRINSICS, SENSOR_FROM_VEHICLE)[:40]
    for mine, theirs in zip(got, want, strict=True):
        assert mine['label'] == theirs['label']
        for kind, key in (
            ('3d', 'center'),
            ('3d', 'dimensions'),
            ('2d', 'amodal'),
            ('2d', 'modal'),
        ):
            np.testing.assert_allclose(mine[kind][key], theirs[kind][key], atol=2e-3)
        same = np.dot(mine['3d']['rotation'], theirs['3d']['rotation'])
        assert abs(same) == pytest.approx(1, abs=1e-9)


def test_rotated_overlaps(data: Path) -> None:
    want = np.load(data / 'det_cs3d/decode.npz')
    a, b = (
        np.concatenate([(v[:, :2] + v[:, 2:4]) / 2, v[:, 2:4] - v[:, :2], v[:, 4:]], 1)
        for v in (want['iou_boxes_a'].astype(float), want['iou_boxes_b'].astype(float))
    )
    np.testing.assert_allclose(fcos3d.rotated_iou(a, b), want['iou_ab'], atol=1e-6)
    square = np.array([[3.0, 1.0, 2.0, 2.0, 0.0]])
    turned = square + np.array([0, 0, 0, 0, np.pi / 4])  # the common octagon covers 8 (sqrt 2 - 1)
    area = 8 * (np.sqrt(2) - 1)
    assert fcos3d.rotated_iou(square, turned)[0] == pytest.approx(area / (8 - area))


def test_an_upright_box_has_the_angles_of_the_specification() -> None:
    yaw = np.array([0.3])  # heading of KITTI's rotation_y; the published yaw 0 drives away (+z)
    upright = quaternion_from_matrix(optical_from_level_box(yaw))
    r0, r1, r2 = fcos3d.angles_from_quaternions(upright)[0]
    assert abs(r0) == pytest.approx(np.pi)
    assert r1 == pytest.approx(0, abs=1e-9)
    assert np.cos(r2) == pytest.approx(-np.cos(0.3 + np.pi / 2))


def test_wrong_bins_are_repaired_and_tilt_kept() -> None:
    truth = np.array([[np.pi - 0.02, 0.01, 1.2]])
    quaternion = fcos3d.quaternions_from_angles(truth)
    for wrong in ([np.pi, 0, 0], [0, np.pi, 0], [-np.pi, np.pi, 0]):
        repaired = fcos3d.quaternions_from_angles(fcos3d.snapped(truth + wrong))
        gap = matrix_from_quaternion(repaired) - matrix_from_quaternion(quaternion)
        assert np.abs(gap).max() < 1e-9


def test_targets_and_losses(head_output: HeadOutput, data: Path) -> None:
    truth = np.load(data / 'det_cs3d/gt.npz')
    want = json.loads((data / 'det_cs3d/loss.json').read_text())
    names = ('label', 'bbox_modal', 'center_I', 'size_S', 'rotation_S')
    images = [Objects(*(torch.from_numpy(truth[f'{n}_{i}']) for n in names)) for i in (0, 1)]
    targets = all_targets(images, [(g.height, g.width) for g in LEVELS], STRIDES_PX)
    positives = [sum(int((c.object_class >= 0).sum()) for c in level) for level in targets]
    assert positives == want['num_pos_per_level']
    nearness = [sum(float(c.centerness.sum()) for c in level) for level in targets]
    assert nearness == pytest.approx(want['centerness_sum_per_level'], rel=1e-5)
    losses = detection_losses(head_output('loss', 2), targets)
    assert len(losses) == 8
    for name, value in losses.items():
        assert value.item() == pytest.approx(want[f'loss_{name}'], rel=1e-5), name
    assert sum(losses.values()).item() == pytest.approx(want['total'], rel=1e-5)


def test_images_without_objects_add_nothing(head_output: HeadOutput) -> None:
    none = torch.zeros(0, 4)
    empty = Objects(torch.zeros(0).long(), none, none[:, :3], none[:, :3], none[:, :3])
    sizes = [(g.height, g.width) for g in LEVELS]
    losses = detection_losses(head_output('loss', 2), all_targets([empty] * 2, sizes, STRIDES_PX))
    assert sum(losses.values()).item() == 0
