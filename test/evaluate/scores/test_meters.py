"""Our sums against torchmetrics' on the same generated images; merged parts against the whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mtscene_ros.evaluate.scores import meters, saliency_meter

torch = pytest.importorskip('torch')
pytest.importorskip('training')  # mends torchvision, which torchmetrics imports
torchmetrics = pytest.importorskip('torchmetrics')

RANDOM = np.random.default_rng(4)
NAMES = [str(k) for k in range(6)]
Pair = tuple[np.ndarray, np.ndarray]


def labels() -> Pair:
    """Five of six classes occur; a tenth is unknown."""
    truth = RANDOM.integers(0, 5, (40, 60)).astype(np.uint8)
    answer = np.where(RANDOM.random(truth.shape) < 0.3, RANDOM.integers(0, 5, truth.shape), truth)
    truth[RANDOM.random(truth.shape) < 0.1] = 255
    return answer.astype(np.uint8), truth


def depths() -> Pair:
    truth = RANDOM.uniform(1, 50, (40, 60)).astype(np.float32)
    answer = (truth * RANDOM.uniform(0.6, 1.5, truth.shape)).astype(np.float32)
    truth[:5] = np.nan
    return answer, truth


def directions() -> Pair:
    truth, noise = RANDOM.normal(size=(2, 40, 60, 3))
    answer = truth + 0.3 * noise
    pair = [
        (v / np.linalg.norm(v, axis=-1, keepdims=True)).astype(np.float32) for v in (answer, truth)
    ]
    pair[1][:5] = 0
    return pair[0], pair[1]


def salient() -> Pair:
    truth = RANDOM.integers(0, 2, (40, 60)).astype(np.uint8)
    answer = np.clip(0.5 * truth + RANDOM.uniform(0, 0.7, truth.shape), 0, 1).astype(np.float32)
    truth[:5] = 255
    return answer, truth


MAKERS: dict[str, tuple[Callable[[], meters.Meter], Callable[[], Pair]]] = {
    'labels': (lambda: meters.LabelMeter(NAMES), labels),
    'depth': (lambda: meters.DepthMeter((0.0, 10.0, 50.0)), depths),
    'normals': (lambda: meters.SumMeter('normals'), directions),
    'values': (lambda: meters.SumMeter('values'), depths),
    'saliency': (saliency_meter.SaliencyMeter, salient),
}


def scored(kind: str, images: list[Pair]) -> meters.Meter:
    meter = MAKERS[kind][0]()
    for image in images:
        meter.update(*image)
    return meter


def known(images: list[Pair], is_known: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Predictions and truths of all known pixels, in float64."""
    parts = [(a[is_known(t)], t[is_known(t)]) for a, t in images]
    return tuple(
        torch.from_numpy(np.concatenate(side)).double() for side in zip(*parts, strict=True)
    )


def test_labels_as_torchmetrics() -> None:
    images = [labels() for _ in range(3)]
    answer, truth = known(images, lambda t: t != 255)
    iou = torchmetrics.functional.jaccard_index(
        answer.long(), truth.long(), 'multiclass', num_classes=6, average='none'
    )
    found = scored('labels', images).scores()
    assert [found[f'iou {n}'] for n in NAMES] == pytest.approx((100 * iou).tolist(), rel=1e-6)
    counts = torchmetrics.functional.confusion_matrix(
        answer.long(), truth.long(), 'multiclass', num_classes=6
    )
    exact = 100 * counts.diag().double() / (counts.sum(0) + counts.sum(1) - counts.diag()).clamp(1)
    assert found['miou'] == pytest.approx(float(exact.mean()), rel=1e-12)
    assert found['present_miou'] == pytest.approx(float(exact[:5].mean()), rel=1e-12)


def test_one_image_and_many_have_the_same_means_over_classes() -> None:
    """Of three classes two occur, with IoU 2 / 3 and 1 / 2."""
    meter = meters.LabelMeter(['a', 'b', 'c'])
    answer, truth = np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8)
    found = meter.update(answer, truth)
    assert found['miou'] == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)
    assert found['present_miou'] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    assert found.items() <= meter.scores().items()


def test_without_a_known_pixel_there_is_no_mean_over_classes() -> None:
    found = meters.LabelMeter(NAMES).update(*[np.full((1, 2), 255, np.uint8)] * 2)
    assert np.isnan([found['miou'], found['present_miou'], found['accuracy']]).all()


def test_depth_as_torchmetrics() -> None:
    images = [depths() for _ in range(3)]
    answer, truth = known(images, np.isfinite)
    want = {
        'rmse': torchmetrics.functional.mean_squared_error(answer, truth, squared=False),
        'log_rmse': torchmetrics.functional.mean_squared_error(
            answer.log(), truth.log(), squared=False
        ),
        'abs_rel': torchmetrics.functional.mean_absolute_percentage_error(answer, truth),
        'sq_rel': ((answer - truth) ** 2 / truth).mean(),
        'delta1': (torch.maximum(answer / truth, truth / answer) < 1.25).double().mean(),
        'delta3': (torch.maximum(answer / truth, truth / answer) < 1.25**3).double().mean(),
        'coverage': torch.tensor(1.0),
    }
    found = scored('depth', images).scores()
    for name, value in want.items():
        assert found[name] == pytest.approx(float(value), rel=1e-12), name


def test_values_and_normals_as_torchmetrics() -> None:
    images = [depths() for _ in range(2)]
    answer, truth = known(images, np.isfinite)
    squared = torchmetrics.functional.mean_squared_error(answer, truth, squared=False)
    absolute = torchmetrics.functional.mean_absolute_error(answer, truth)
    found = scored('values', images).scores()
    assert (found['rmse'], found['mae']) == pytest.approx((float(squared), float(absolute)), 1e-12)
    images = [directions() for _ in range(2)]
    answer, truth = known(images, lambda t: np.abs(t).max(-1) > 0)
    cosine = torch.nn.functional.cosine_similarity(answer, truth)
    degrees = torch.rad2deg(cosine.clamp(-1, 1).arccos())
    found = scored('normals', images).scores()
    assert found['mean_deg'] == pytest.approx(float(degrees.mean()), rel=1e-6)
    assert found['within_22'] == pytest.approx(float((degrees < 22.5).double().mean()), rel=1e-12)


def test_saliency_as_torchmetrics() -> None:
    images = [salient() for _ in range(3)]
    answer, truth = known(images, lambda t: t != 255)
    found = scored('saliency', images).scores()
    for name, p in (('max_f', answer.float()), ('published_max_f', answer.float().sigmoid())):
        precision, recall, _ = torchmetrics.functional.precision_recall_curve(
            p, truth.long(), 'binary', thresholds=torch.from_numpy(saliency_meter.THRESHOLDS)
        )
        precision, recall = (v[:-1].double().nan_to_num() for v in (precision, recall))
        f = 1.3 * precision * recall / (0.3 * precision + recall).clamp(min=1e-12)
        assert found[name] == pytest.approx(100 * float(f.max()), rel=1e-6)


@pytest.mark.parametrize('kind', MAKERS)
def test_parts_add_up_to_the_whole(kind: str) -> None:
    images = [MAKERS[kind][1]() for _ in range(4)]
    total = MAKERS[kind][0]()
    for part in (images[:1], images[1:]):
        total.add(scored(kind, part).state())
    assert total.scores() == pytest.approx(scored(kind, images).scores(), rel=1e-12)
    assert scored(kind, images[:2]).scores() != scored(kind, images[2:]).scores()


def test_bins_of_depth_share_out_the_pixels() -> None:
    meter = meters.DepthMeter((0.0, 10.0, 50.0))
    meter.update(np.full((1, 4), 12.0, np.float32), np.array([[5, 10, 10.5, 40]], np.float32))
    assert [b['truths'] for b in meter.bins] == [2, 2]
    assert meter.bins[0]['abs_rel'] == pytest.approx(7 / 5 + 2 / 10)


def test_a_depth_of_zero_is_an_answer_and_a_bad_one() -> None:
    found = meters.DepthMeter().update(np.array([[0.0, np.inf]]), np.array([[4.0, 4.0]]))
    assert (found['coverage'], found['abs_rel'], found['rmse']) == (0.5, 1.0, 4.0)


def test_a_class_that_an_image_has_not_counts_as_0_in_miou_only() -> None:
    meter, zero = meters.LabelMeter(['road', 'car']), np.zeros((2, 2), np.uint8)
    want = {'miou': 50.0, 'present_miou': 100.0, 'accuracy': 100.0}
    assert meter.update(zero, zero) == want
    assert meter.scores().items() >= want.items()
