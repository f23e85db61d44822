"""The scores of a recording are those of training.evaluate on the same frames, to the last bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

torch = pytest.importorskip('torch')

from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.evaluate.options import EvaluateOptions  # noqa: E402
from mtscene_ros.evaluate.run.bag import evaluate_bag  # noqa: E402
from mtscene_ros.recordings.write import write_recording  # noqa: E402
from mtscene_ros.worlds.as_moment import moment_from_world  # noqa: E402
from mtscene_ros.worlds.drive import drive_sequence  # noqa: E402
from training.data import to_manifest  # noqa: E402
from training.evaluate import Meters, estimator_scores  # noqa: E402
from training.learn.learning import ALL_CONFIGS  # noqa: E402
from training.learn.loader import list_frames  # noqa: E402

BACKEND = 'onnxruntime'


def as_manifest(bag: Path, folder: Path) -> Path:
    """The recording's frames as training reads a user's own."""
    topics = {'--labels': 'semantic', '--depth': 'depth', '--boxes': 'detections_3d'}
    named = [part for option, name in topics.items() for part in (option, f'/truth/{name}')]
    options = ['bag', str(bag), str(folder), '--label-info', '/truth/label_info', *named]
    path = to_manifest.convert(to_manifest.options_from(options))
    manifest = yaml.safe_load(path.read_text()) | {'boxes3d': 'drive_boxes'}
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return path


def trained_scores(bag: Path, folder: Path) -> dict[str, dict]:
    config = ALL_CONFIGS['drive_lite']
    meters = Meters(config, 'manifest', jobs=1)
    frames = list_frames('manifest', [as_manifest(bag, folder)], 'all', config)
    boxes = estimator_scores(open_estimator('', BACKEND), config, frames, meters)
    return {**meters.result(), **boxes}


def test_scores_equal_those_of_training(tmp_path: Path) -> None:
    bag = tmp_path / 'drive.mcap'
    write_recording(bag, map(moment_from_world, drive_sequence(5, 6, 10.0, 256, 128)))
    options = EvaluateOptions(backend=BACKEND, outputs=(), progress=False)
    found = evaluate_bag(bag, options, tmp_path / 'report')['metrics']
    want = trained_scores(bag, tmp_path / 'manifest')
    assert set(want) == {'semantic', 'depth', 'boxes3d'}
    for task in ('semantic', 'depth'):
        assert {name: found[task][name] for name in want[task]} == want[task]
    for name, scores in want['boxes3d'].items():
        assert {s: found['boxes3d'].get(f'{name}.{s}') for s in scores} == scores
    assert found['semantic']['miou'] > 20
    assert found['boxes3d']['car.truths'] > 0


def test_truth_in_files_scores_as_truth_in_topics(tmp_path: Path) -> None:
    """The frames' truth in files, the recording without it."""
    bag = tmp_path / 'drive.mcap'
    write_recording(bag, map(moment_from_world, drive_sequence(5, 4, 10.0, 256, 128)))
    options = EvaluateOptions(backend=BACKEND, outputs=(), progress=False)
    want = evaluate_bag(bag, options, tmp_path / 'a')
    manifest = as_manifest(bag, tmp_path / 'manifest')
    found = evaluate_bag(bag, replace(options, truth=str(manifest)), tmp_path / 'b')
    assert found['counts']['with_truth'] == {'semantic': 4, 'depth': 4, 'boxes3d': 4}
    for task in ('semantic', 'depth', 'boxes3d'):
        assert found['metrics'][task] == want['metrics'][task]
