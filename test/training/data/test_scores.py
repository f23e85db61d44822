"""The truth gets the full score; two processes get the score that one gets."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from two_processes import run_in_two  # noqa: E402

from mtscene_ros.camera.geometry import project  # noqa: E402
from mtscene_ros.datasets.classes import DRIVE_BOXES  # noqa: E402
from mtscene_ros.datasets.label_files import read_json  # noqa: E402
from mtscene_ros.tasks.fcos3d import PublishedBoxes, angles_from_quaternions  # noqa: E402
from training import evaluate, train  # noqa: E402
from training.data import DATASETS  # noqa: E402
from training.data.sample import Sample  # noqa: E402
from training.learn.learning_published import whole  # noqa: E402
from training.learn.published_targets import dense_truth  # noqa: E402
from training.recipes import RECIPES, Recipe  # noqa: E402
from training.scores.cityscapes3d_json import vehicle_annotations  # noqa: E402
from training.scores.comparisons import TENSORS, published_pairs  # noqa: E402
from training.scores.detection_score import DetectionMeter  # noqa: E402

FULL = {
    'semantic': {'present_miou': 100},
    'human_parts': {'present_miou': 100},
    'depth': {'rmse': 0, 'abs_rel': 0, 'delta1': 1},
    'normals': {'mean_deg': 0, 'within_11': 1},
    'saliency': {'max_f': 100},
}


def outputs_of_the_truth(sample: Sample, recipe: Recipe) -> dict[str, torch.Tensor]:
    truth = {n: dense_truth(n, sample, recipe) for n in recipe.tasks if n in TENSORS}
    return {
        TENSORS[name][0]: torch.from_numpy(values if name == 'normals' else values[0])
        for name, values in truth.items()
    }


@pytest.mark.parametrize('name', ['tiny_invpt_nyud', 'tiny_taskprompter_ctr_pascal'])
def test_labels_as_predictions(miniatures: Path, name: str) -> None:
    recipe = RECIPES[name]
    meters = evaluate.Meters(recipe, recipe.data_set, jobs=1)
    data_set, folder = DATASETS[recipe.data_set], miniatures / recipe.data_set
    for frame in data_set.names(folder, 'val'):
        sample = whole(data_set.read(folder, frame), recipe)
        meters.update(published_pairs(outputs_of_the_truth(sample, recipe), sample, recipe))
    scores = meters.result()
    assert set(scores) == {TENSORS[task][1] for task in recipe.tasks}
    assert scores['boundary']['ods_f'] >= 99
    for task in set(scores) - {'boundary'}:
        for score, value in FULL[task].items():
            assert scores[task][score] == pytest.approx(value, abs=1e-4), (task, score)


def published_boxes(sample: Sample, score: float) -> PublishedBoxes:
    assert sample.quaternions_xyzw is not None
    assert sample.bbox_px is not None
    return PublishedBoxes(
        sample.class_ids,
        np.full(len(sample.class_ids), score, np.float32),
        project(sample.centers_m, sample.intrinsics),
        sample.centers_m,
        sample.sizes_m,
        angles_from_quaternions(sample.quaternions_xyzw),
        sample.bbox_px,
    )


def scored(folder: Path, out: Path, shift_m: float) -> dict[str, float]:
    """Scores annotations as predictions, moved away from the camera; only cars count."""
    meter, data_set = DetectionMeter(out), DATASETS['cityscapes3d']
    for split in ('train', 'val'):
        for name in data_set.names(folder, split):
            sample = data_set.read(folder, name)
            known = read_json(folder / 'gtBbox3d' / f'{name}_gtBbox3d.json')
            boxes = published_boxes(sample, 0.9)
            boxes.centers_m[:, 2] += shift_m
            sensor = np.array(known['sensor']['sensor_T_ISO_8855'])[:3]
            found = vehicle_annotations(boxes, DRIVE_BOXES[:6], sample.intrinsics, sensor)
            known['objects'] = [o for o in known['objects'] if o['label'] == 'car']
            (out / 'cars.json').write_text(json.dumps(known))
            meter.add(name, found, out / 'cars.json')
    return meter.result()


def test_official_detection_score(miniatures: Path, tmp_path: Path) -> None:
    """Cars lie in several depth bins here; with a single bin the score would be 0."""
    folder = miniatures / 'cityscapes3d'
    right = scored(folder, tmp_path / 'a', 0.0)
    assert right['mds_modal'] == pytest.approx(100, abs=0.1)
    assert right['ap_modal car'] == pytest.approx(100, abs=0.1)
    farther = scored(folder, tmp_path / 'b', 2.0)
    assert farther['ap_modal car'] == pytest.approx(100, abs=0.1)  # modal boxes decide
    assert farther['mds_modal'] < 99.7
    assert farther['mds_amodal'] < right['mds_amodal']


SLOW = pytest.param('tiny_taskprompter_noctr_nyud', marks=pytest.mark.trust)


@pytest.mark.parametrize('name', [SLOW, 'tiny_taskprompter_swin_cs3d'])
def test_two_processes_get_the_score_of_one(miniatures: Path, tmp_path: Path, name: str) -> None:
    """Two frames among two, and one among two: nothing counts twice."""
    data = miniatures / RECIPES[name].data_set
    common = ['--data', str(data)]
    checkpoint = train.main(
        [name, *common, '--out', str(tmp_path), '--steps', '1', '--workers', '0']
    )
    calls = {n: [name, str(checkpoint), *common, '--frames', n] for n in ('1', '2')}
    kept = {n: tmp_path / f'{n}.json' for n in calls}
    run_in_two('training.evaluate', [[*calls[n], '--json', str(kept[n])] for n in calls])
    for count, arguments in calls.items():
        alone, together = evaluate.main(arguments), json.loads(kept[count].read_text())
        assert together.keys() == alone.keys()
        for task in together.keys() - {'frames'}:
            # Rounding may move a pixel of a boundary across a threshold; twice counted is 50 %.
            near = pytest.approx(
                alone[task], rel=0.05 if task == 'boundary' else 1e-6, nan_ok=True
            )
            assert together[task] == near, task
