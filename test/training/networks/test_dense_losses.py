"""Dense losses and metrics of the papers against the authors' numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch')

from training import losses  # noqa: E402
from training.scores.task_metrics import METERS, label_meter  # noqa: E402

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
    labels, truth = dense_case[0][task].argmax(1), dense_case[1][task][:, 0]
    meter = label_meter([str(k) for k in range(classes)])
    meter.update(torch.from_numpy(labels), torch.from_numpy(truth))
    assert meter.result()['miou'] == pytest.approx(want[f'metric_{task}_mIoU_pct'], rel=1e-6)


def test_saliency(dense_case: Case, want: dict[str, Any]) -> None:
    logits, truth = (torch.from_numpy(side['sal']) for side in dense_case)
    meter, perfect = METERS['saliency'](), METERS['saliency']()
    meter.update(logits.softmax(1)[:, 1], truth[:, 0])
    assert meter.result()['published_max_f'] == pytest.approx(want['metric_sal_maxF_pct'])
    perfect.update((truth[:, 0] == 1).float(), truth[:, 0])
    assert perfect.result() == pytest.approx({'max_f': 100.0, 'published_max_f': 100.0})


def test_normals_and_depth(dense_case: Case, want: dict[str, Any]) -> None:
    predictions, truth = ({k: torch.from_numpy(v) for k, v in s.items()} for s in dense_case)
    normals, known = METERS['normals'](), (truth['normals'] != 255).all(1, keepdim=True)
    unit = torch.nn.functional.normalize(predictions['normals']).permute(0, 2, 3, 1)
    normals.update(unit, truth['normals'].where(known, 0.0).permute(0, 2, 3, 1))
    degrees = normals.result()['mean_deg']
    assert degrees == pytest.approx(want['metric_normals_mean_deg'], rel=1e-6)
    depth, seen = METERS['depth'](), (truth['depth'] > 0) & (truth['depth'] < 80)
    answer = (2 * predictions['depth'] + 5).clamp(min=0)
    depth.update(answer, truth['depth'].where(seen, torch.nan))
    got = depth.result()
    assert {k: got[k] for k in want['metric_depth']} == pytest.approx(
        want['metric_depth'], rel=1e-6
    )
