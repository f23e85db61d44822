"""Targets, losses and augmentation against numbers computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip('torch')

from mtscene_ros import tasks as robot_tasks  # noqa: E402
from mtscene_ros.camera.geometry import matrix_from_quaternion, project, yaw_of_box  # noqa: E402
from mtscene_ros.camera.letterbox import Letterbox  # noqa: E402
from mtscene_ros.types import Boxes3D, CameraFrame, DepthMap, Intrinsics  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.data import augment  # noqa: E402
from training.data.sample import Sample  # noqa: E402
from training.tasks import TASKS, boxes3d, depth, semantic  # noqa: E402

CONFIG = CONFIGS['drive_nano']
CAMERA = Intrinsics(512, 256, 640.0, 640.0, 250.0, 120.0)
RNG = np.random.default_rng(0)


def sample() -> Sample:
    rgb = RNG.integers(0, 256, (256, 512, 3), np.uint8)
    labels = (rgb[..., 0] % 19).astype(np.uint8)
    metres = np.full((256, 512), 10.0, np.float32)
    centers_m = np.array([[-4.0, 1.0, 15.0], [3.0, 1.2, 30.0]])
    sizes_m = np.array([[4.2, 1.8, 1.5], [12.0, 2.5, 3.2]])
    yaw, ones = np.array([0.3, -2.8]), np.ones(2, np.float32)
    ids = np.array([0, 2])
    return Sample(rgb, labels, metres, CAMERA, ids, centers_m, sizes_m, yaw, ones, 0 * ones)


def ahead(sample: Sample) -> NDArray[np.float64]:
    yaw = sample.yaw_rad
    heading = np.stack([np.cos(yaw), 0 * yaw, -np.sin(yaw)], 1)
    return np.asarray(sample.centers_m + heading)


def test_task_names_agree_with_the_robot() -> None:
    assert TASKS.keys() <= robot_tasks.TASKS.keys()
    assert all(name == task.NAME for name, task in TASKS.items())


def test_targets_decode_to_the_boxes() -> None:
    truth = sample()
    target = boxes3d.targets(truth, CONFIG, RNG)
    logits = np.where(target['heat'] == 1, 8.0, -8.0).astype(np.float32)
    raw = torch.from_numpy(np.concatenate([logits, target['code']]))[None]
    outputs = {k: v[0].numpy() for k, v in boxes3d.dense_decode(raw, CONFIG).items()}
    frame = CameraFrame(truth.rgb, CAMERA, 0, 'camera')
    decode = robot_tasks.TASKS['boxes3d'].decoder(boxes3d.options(CONFIG))
    boxes = decode(outputs, Letterbox(512, 256, 512, 256), frame)
    assert isinstance(boxes, Boxes3D)
    order = np.argsort(boxes.class_ids)
    np.testing.assert_allclose(boxes.centers_m[order], truth.centers_m, atol=1e-4)
    np.testing.assert_allclose(boxes.sizes_m[order], truth.sizes_m, atol=1e-4)
    yaw = yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw[order]))
    np.testing.assert_allclose(yaw, truth.yaw_rad, atol=1e-5)


def test_depth_targets_decode_to_metres_of_this_camera() -> None:
    target = depth.targets(sample(), CONFIG, RNG)['log_depth']
    assert np.exp(target[0, 0]) == pytest.approx(10 * 512 / 640)
    raw = torch.from_numpy(target)[None, None]
    outputs = {'depth': depth.dense_decode(raw, CONFIG)['depth'][0].numpy()}
    decode = robot_tasks.TASKS['depth'].decoder(depth.options(CONFIG))
    frame = CameraFrame(sample().rgb, CAMERA, 0, 'camera')
    found = decode(outputs, Letterbox(512, 256, 512, 256), frame)
    assert isinstance(found, DepthMap)
    np.testing.assert_allclose(found.depth_m, 10.0, rtol=1e-5)


def test_unlabelled_pixels_add_no_loss() -> None:
    labels = torch.full((1, 4, 4), 255)
    logits = torch.zeros(1, 19, 2, 2, requires_grad=True)
    targets = {'labels': labels, 'class_weights': torch.ones(1, 19)}
    assert semantic.loss(logits, targets).item() == 0
    labels[0, 0, 0] = 3
    # One pixel has probability 1/19; nothing else is in the union.
    expected = np.log(19) + 0.5 * (1 - 1 / 19)
    assert semantic.loss(logits, targets).item() == pytest.approx(expected)


def test_a_class_weighs_what_the_configuration_says() -> None:
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 1.0986123]]]])  # p = 1/2, 1/2; 1/4, 3/4
    labels = torch.tensor([[[0, 1]]])
    cost = semantic.cross_entropy(logits, labels, torch.tensor([1.0, 3.0]))
    assert cost.item() == pytest.approx((np.log(2) + 3 * np.log(4 / 3)) / 4)


def test_overlap_of_two_classes() -> None:
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, np.log(3.0)]]]])
    cost = semantic.jaccard_loss(logits, torch.tensor([[[0, 1]]]))
    # class 0: 1/2 over 1/2 + 1/4 + 1/2; class 1: 3/4 over 1/2 + 3/4 + 1/4
    assert cost.item() == pytest.approx(1 - (0.5 / 1.25 + 0.75 / 1.5) / 2)


def test_unknown_depth_and_sky() -> None:
    log_depth = torch.tensor([[[np.nan, np.log(110.0)], [np.log(110.0), 0.0]]])
    limit = torch.tensor([np.log(100.0)])
    prediction = torch.tensor([[[50.0, np.log(500.0)], [np.log(55.0), 1.0]]])
    cost = depth.log_difference(prediction, log_depth, limit)  # 0 (unknown), 0 (beyond), ln 2, 1
    relative = 1.5 * (np.e - 1)  # of the last pixel; a pixel that should lie beyond has no error
    assert cost.item() == pytest.approx((np.log(2) + 1 + relative) / 3, rel=1e-5)


def test_relative_error_of_half_double_and_e_squared() -> None:
    found = depth.relative_error(torch.tensor([-0.6931472, 0.6931472, 2.0]))
    assert found.tolist() == pytest.approx([0.5, 1.0, np.e - 1 + np.e])


def test_focal_loss_of_one_peak() -> None:
    logits, heat = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.5]]]])
    expected = np.log(2) * 0.25 * (1 + 0.5**4)  # p = 1/2 in both cells
    assert boxes3d.focal(logits, heat, torch.ones(1, 1)).item() == pytest.approx(expected)


def test_flip_mirrors_projections_and_heading() -> None:
    truth = sample()
    mirrored = augment.flipped(truth)
    pairs = (truth.centers_m, mirrored.centers_m), (ahead(truth), ahead(mirrored))
    for before, after in pairs:
        uv, mirrored_uv = project(before, CAMERA), project(after, mirrored.intrinsics)
        np.testing.assert_allclose(mirrored_uv[:, 0], 511 - uv[:, 0])
        np.testing.assert_allclose(mirrored_uv[:, 1], uv[:, 1])
    assert (mirrored.labels[:, 0] == truth.labels[:, 511]).all()


def test_crop_and_letterbox_keep_points_on_their_pixels() -> None:
    crop = augment.cropped(sample(), 100, 50, 300, 90)  # 300 x 90: padded above and below
    boxed = augment.letterboxed(crop, 512, 256)
    uv = Letterbox(300, 90, 512, 256).points_to_network(project(crop.centers_m, crop.intrinsics))
    np.testing.assert_allclose(project(boxed.centers_m, boxed.intrinsics), uv)
    assert (boxed.labels[0] == 255).all()
    assert np.isnan(boxed.depth_m[0]).all()
    assert (boxed.rgb[0] == (124, 116, 104)).all()
    assert (boxed.depth_m[128] == 10).all()
    assert boxed.intrinsics.fx_px == pytest.approx(640 * 512 / 300)


def test_hidden_boxes_are_not_learned() -> None:
    truth = replace(sample(), visible=np.array([1.0, 0.05], np.float32))
    target = boxes3d.targets(truth, CONFIG, RNG)
    assert target['heat'][0].max() == 1
    assert target['heat'][2].max() == pytest.approx(boxes3d.DOUBTFUL_PEAK)
    assert (target['weight'] == 1).sum() == 1


def test_photometric_change_keeps_gray_nearly_gray_in_every_channel() -> None:
    gray = np.full((32, 32, 3), 128, np.uint8)
    rng = np.random.default_rng(3)
    spread = [augment.photometric(gray, rng).reshape(-1, 3).std(0) for _ in range(40)]
    noisy = np.array([s for s in spread if s.max() > 1])
    assert len(noisy) > 3
    assert (noisy.min(1) > 0.5 * noisy.max(1)).all()  # noise reaches all three alike
