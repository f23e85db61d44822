"""Trainings that go wrong say so, resume only what they are, and leave what is there."""

import importlib.util
import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.terminal import exit_status  # noqa: E402
from training import adapt, export, train  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.learn.loop import chosen  # noqa: E402
from training.learn.run_log import RunLog  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.weights.checkpoint_store import CheckpointError  # noqa: E402
from training.weights.checkpoints import read_checkpoint  # noqa: E402
from training.weights.weight_files import read_weights  # noqa: E402


@pytest.fixture(scope='module')
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('frames')
    ids = np.repeat([[0], [1]], 32, 0).astype(np.uint8).repeat(128, 1)
    cv2.imwrite(str(folder / 'ids.png'), ids)
    rows = ''
    for k, split in enumerate(('train', 'train', 'val')):
        cv2.imwrite(str(folder / f'{k}.png'), ids[..., None].repeat(3, 2) * 90 + 40 * k)
        rows += f'\n  - {{image: {k}.png, split: {split}, semantic: ids.png}}'
    (folder / 'm.yaml').write_text(f'semantic: [wall, floor]\nframes:{rows}\n')
    return folder / 'm.yaml'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp('weights') / 'last.pt'
    torch.save({'config': 'test', 'average': compact_network(CONFIGS['test']).state_dict()}, path)
    return path


def training(manifest: Path, out: Path, steps: int, *further: str) -> list[str]:
    data = ['--data-set', 'manifest', '--data', str(manifest), '--out', str(out), '--workers', '0']
    return ['test', *data, '--tasks', 'semantic', '--steps', str(steps), *further]


def test_a_run_that_diverges_stops(manifest: Path, tmp_path: Path) -> None:
    wild = ['--learning-rate', '1e8', '--warm-up', '1', '--clip', '1e30']
    wild += ['--tasks', 'semantic', 'depth', 'boxes3d']
    with pytest.raises(ValueError, match=r'\d steps in a row changed nothing: the loss of'):
        train.main(training(manifest, tmp_path, 10, *wild))


def test_another_run_in_the_folder_is_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(training(manifest, tmp_path, 2))
    other = tmp_path / 'other.yaml'
    other.write_text(manifest.read_text().replace('floor', 'lamp'))
    for name in ('ids.png', '0.png', '1.png', '2.png'):
        (tmp_path / name).symlink_to(manifest.parent / name)
    with pytest.raises(CheckpointError, match='classes: wall and floor, now wall and lamp'):
        train.main(training(other, tmp_path, 3))
    with pytest.raises(CheckpointError, match='has done 2 steps, which is more than --steps 1'):
        train.main(training(manifest, tmp_path, 1))
    with pytest.raises(CheckpointError, match='configuration: test, now test_prompts'):
        train.main(['test_prompts', *training(manifest, tmp_path, 3)[1:]])
    with pytest.raises(CheckpointError, match=r'data: 2 frames of manifest train .*now 3 frames'):
        train.main(training(manifest, tmp_path, 3, '--split', 'all'))
    capsys.readouterr()
    train.main(training(manifest, tmp_path, 2))
    assert 'has done 2 steps already' in capsys.readouterr().out


def test_an_adaptation_resumes_bit_for_bit(
    manifest: Path, checkpoint: Path, tmp_path: Path
) -> None:
    def run(out: str, steps: int) -> dict[str, object]:
        common = ['--weights', str(checkpoint), '--threads', '1', '--save-every', '1']
        schedule = ['--schedule', 'poly', '--warm-up', '0', '--steps', str(steps)]
        return adapt.main([str(manifest), '--out', str(tmp_path / out), *common, *schedule])

    whole = run('whole', 3)
    stopped = ['--weights', str(checkpoint), '--threads', '1', '--save-every', '1']
    command = [sys.executable, '-c', STOPPED, str(manifest), '--out', str(tmp_path / 'part')]
    options = ['--schedule', 'poly', '--warm-up', '0', '--steps', '3']
    done = subprocess.run([*command, *stopped, *options], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert 'Stopped after 1 step; the same command goes on.' in done.stdout
    part = run('part', 3)
    assert part['after'] == whole['after']
    assert part['before'] == whole['before']
    a, b = (read_weights(tmp_path / out / 'last.pt')[1] for out in ('whole', 'part'))
    assert all(torch.equal(a[name], b[name]) for name in a)
    log = [json.loads(row) for row in (tmp_path / 'whole/log.jsonl').read_text().splitlines()]
    assert {'semantic', 'depth kept', 'boxes3d kept', 'validation'} <= log[-1].keys()


# Stops itself with SIGTERM while the second frame of the first step is augmented.
STOPPED = """
import os, signal, sys
from mtscene_ros.terminal import exit_status
from training import adapt
from training.learn import learning_compact
before = learning_compact.targets

def targets(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    learning_compact.targets = before
    return before(*arguments)

learning_compact.targets = targets
sys.exit(exit_status(lambda: adapt.main(sys.argv[1:])))
"""


def test_the_best_by_a_metric_and_patience(manifest: Path, tmp_path: Path) -> None:
    val = ['--val', str(manifest), '--metric', 'semantic.miou', '--save-every', '1']
    wait = ['--patience', '2', '--learning-rate', '1e-9', '--freeze-batch-norm']
    last = train.main(training(manifest, tmp_path, 9, *val, *wait))
    rows = [json.loads(row) for row in (tmp_path / 'log.jsonl').read_text().splitlines()]
    assert [row['step'] for row in rows] == [1, 2, 3]  # the first is the best, two more
    assert [row['semantic.miou'] for row in rows] == pytest.approx([-rows[0]['best']] * 3)
    assert last.exists()
    with pytest.raises(ValueError, match=r'the validation gives loss, semantic\.miou'):
        train.main(training(manifest, tmp_path / 'x', 1, *val[:2], '--metric', 'semantic.iou'))


def test_more_or_less_is_better() -> None:
    assert chosen({'validation': 2.0}, 'loss') == 2
    assert chosen({'depth.abs_rel': 0.1}, 'depth.abs_rel') == 0.1
    assert chosen({'semantic.miou': 40.0}, 'semantic.miou') == -40
    assert chosen({'semantic.miou': float('nan')}, 'semantic.miou') == float('inf')


def test_weights_that_are_not_finite(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    state['average']['heads.depth.bias'][0] = float('inf')
    torch.save(state, tmp_path / 'nan.pt')
    with pytest.raises(CheckpointError, match=r'the values of heads\.depth\.bias are not all fin'):
        export.main([str(tmp_path / 'nan.pt'), str(tmp_path / 'a.onnx')])
    assert not (tmp_path / 'a.onnx').exists()


@pytest.mark.parametrize(
    ('program', 'arguments', 'sentence'),
    [
        (adapt, ['FOLDER', '--out', 'x'], 'is a folder; give the manifest'),
        (export, ['nope.pt', 'a.onnx'], 'nope.pt does not exist'),
        (train, ['test', '--data', 'nope', '--out', 'x'], 'nope holds no frames'),
    ],
)
def test_errors_of_users_are_one_sentence(
    program: object, arguments: list[str], sentence: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'FOLDER').mkdir()
    assert exit_status(lambda: program.main(arguments)) == 2  # type: ignore[attr-defined]
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count('\n') == 1


def test_own_classes_get_a_name_of_their_own() -> None:
    config, out = CONFIGS['test'], Path('forklifts.onnx')
    assert export.own_name(config, out) == 'test'
    assert export.own_name(replace(config, classes=config.classes[:2]), out) == 'forklifts'
    assert export.own_name(replace(config, tasks=('semantic',)), out) == 'forklifts'


def test_the_line_of_a_run_shows_every_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {
        'step': 2,
        'lr': 1e-3,
        'semseg': 1.5,
        'sal': 0.25,
        'edge': None,
        'edge_preliminary': 1,
    }
    with closing(RunLog(tmp_path, is_first=True, tensorboard=False)) as log:
        log.line({**entry, 'skipped': 0, 'semantic.iou car': 3, 'semantic.miou': 40}, 0.5)
    said = capsys.readouterr().out
    assert said == 'step 2 (50 %): semseg 1.5, sal 0.25, edge not finite, semantic.miou 40\n'


@pytest.mark.parametrize('name', ['wandb', 'mlflow'])
def test_a_tracker_that_is_missing(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(name):
        pytest.skip(f'{name} is installed here')
    with pytest.raises(ValueError, match=f'--tracker {name} needs {name}; `pip install {name}`'):
        RunLog(tmp_path, True, False, name)
    RunLog(tmp_path, False, False, name).close()  # of a further process: logs nowhere


def test_mlflow_keeps_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip('mlflow')
    monkeypatch.delenv('MLFLOW_TRACKING_URI', raising=False)
    with closing(RunLog(tmp_path, True, False, 'mlflow')) as log:
        log.line({'step': 3, 'semseg': 1.5, 'edge': None, 'semantic.iou car': 40}, 0.5)
    run = mlflow.search_runs(output_format='list', search_all_experiments=True)[0]
    assert run.data.metrics == {'step': 3, 'semseg': 1.5, 'semantic.iou_car': 40}


def test_released_checkpoints_are_told_apart(tmp_path: Path) -> None:
    torch.save({'model': {'module.x': torch.zeros(2)}}, tmp_path / 'r.pth')
    with pytest.raises(CheckpointError, match='import_checkpoint'):
        read_weights(tmp_path / 'r.pth')
    torch.save({'model': {'module.x': torch.tensor([1, float('nan')])}}, tmp_path / 'n.pth')
    with pytest.raises(CheckpointError, match='the values of x are not all finite'):
        read_checkpoint(tmp_path / 'n.pth')
