"""Dense losses and metrics of the papers against the authors' numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from training import dense_metrics, losses  # noqa: E402

Case = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope='module')
def want(data: Path) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads((data / 'losses.json').read_text())
    return numbers


def test_losses(dense_case: Case, want: dict[str, Any]) -> None:
    p, y = ({k: torch.from_numpy(v) for k, v in side.items()} for side in dense_case)
    got = {
        'semseg_ce': losses.class_loss(p['semseg'], y['semseg']),
        'sal_balanced_ce': losses.saliency_loss(p['sal'], y['sal']),
        'edge_bbce_w0.95': losses.edge_loss(p['edge'], y['edge']),
        'normals_l1': losses.normals_loss(p['normals'], y['normals']),
        'depth_l1_ign-1': losses.depth_loss(p['depth'], y['depth'], -1),
    }
    for name, value in got.items():
        assert value.item() == pytest.approx(want[name], rel=1e-6), name


@pytest.mark.parametrize(('task', 'classes'), [('semseg', 21), ('human_parts', 7)])
def test_mean_iou(dense_case: Case, want: dict[str, Any], task: str, classes: int) -> None:
    labels, truth = dense_case[0][task].argmax(1), dense_case[1][task][:, 0].astype(np.int64)
    iou = dense_metrics.mean_iou(labels, truth, classes)
    assert 100 * iou == pytest.approx(want[f'metric_{task}_mIoU_pct'], rel=1e-9)


def test_saliency(dense_case: Case, want: dict[str, Any]) -> None:
    logits, truth = torch.from_numpy(dense_case[0]['sal']), dense_case[1]['sal'][:, 0]
    probability = logits.softmax(1)[:, 1].numpy()
    published = dense_metrics.published_max_f_measure(probability, truth)
    assert 100 * published == pytest.approx(want['metric_sal_maxF_pct'], rel=1e-6)
    perfect = dense_metrics.max_f_measure((truth == 1).astype(float), truth)
    assert perfect == pytest.approx(1)


def test_normals_and_depth(dense_case: Case, want: dict[str, Any]) -> None:
    predictions, truth = dense_case
    unit = torch.nn.functional.normalize(torch.from_numpy(predictions['normals'])).numpy()
    angle = dense_metrics.mean_angle_deg(unit, truth['normals'])
    assert angle == pytest.approx(want['metric_normals_mean_deg'], rel=1e-6)
    depth, known = np.maximum(2 * predictions['depth'] + 5, 0), (truth['depth'] > 0)
    got = dense_metrics.depth_errors(depth, truth['depth'], known & (truth['depth'] < 80))
    assert got == pytest.approx(want['metric_depth'], rel=1e-6)
