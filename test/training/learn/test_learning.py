"""Training steps, the accounting of losses, several processes, loss weights."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from training import train  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.data import worlds  # noqa: E402
from training.learn.learning import advance, build_learning, load_average, update_average  # noqa: E402
from training.learn.loader import Frames, Positions, list_frames, one_pass  # noqa: E402
from training.learn.schedule import learning_rate  # noqa: E402
from training.learn.weighting import SPAN_STEPS, DynamicWeights, UncertaintyWeights  # noqa: E402

CONFIG = CONFIGS['test']


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp('frames')
    for index in range(4):
        worlds.render(index, 5, made, 128, 64)
    return made


def rows(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / 'log.jsonl').read_text().splitlines()]


def arguments(folder: Path, out: Path, *further: str) -> list[str]:
    common = ['--data', str(folder), '--out', str(out), '--workers', '0', '--log-every', '1']
    return ['test', *common, '--steps', '5', *further]


def test_positions_are_a_function_of_step_and_rank() -> None:
    first, second = iter(Positions(3, 2, 0, 2)), iter(Positions(3, 2, 1, 2))
    assert [next(first), next(second), next(first)] == [[12, 13], [14, 15], [16, 17]]


def test_frames_of_an_epoch_are_a_permutation(folder: Path) -> None:
    frames = Frames(list_frames('worlds', [folder], '', CONFIG), CONFIG, 1)
    seen = [frames[k]['image']['rgb'] for k in range(4)]
    assert len({image.tobytes() for image in seen}) == 4
    np.testing.assert_array_equal(frames[2]['image']['rgb'], seen[2])
    assert not np.array_equal(frames[4]['image']['rgb'], frames[0]['image']['rgb'])


def test_two_processes_equal_one_with_the_doubled_batch(folder: Path, tmp_path: Path) -> None:
    """Uses batch norm in evaluation mode, because each CPU process has its own statistics."""
    launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2']
    launch += ['--master-port', '0', '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0']
    both = arguments(folder, tmp_path / 'both', '--freeze-batch-norm')
    command = [*launch, '-m', 'training.train', *both]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    alone = arguments(folder, tmp_path / 'alone', '--freeze-batch-norm')
    command = [sys.executable, '-c', ONE_PROCESS, *alone]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    for a, b in zip(rows(tmp_path / 'both'), rows(tmp_path / 'alone'), strict=True):
        for name in ('semantic', 'depth', 'boxes3d', 'depth_preliminary'):
            assert a[name] == pytest.approx(b[name], abs=1e-5), (a['step'], name)


ONE_PROCESS = """
import sys
from dataclasses import replace
from training import train
train.ALL_CONFIGS['test'] = replace(train.ALL_CONFIGS['test'], batch=4)
train.main(sys.argv[1:])
"""


def test_bad_batches_change_nothing(folder: Path) -> None:
    torch.manual_seed(0)
    learning = build_learning(CONFIG, torch.device('cpu'), 1)
    before = [p.clone() for p in learning.network.parameters()]
    batch = next(one_pass(Frames(list_frames('worlds', [folder], '', CONFIG), CONFIG, 0)))
    unweighable = batch['semantic']['class_weights'] * math.nan
    broken = batch | {'semantic': {**batch['semantic'], 'class_weights': unweighable}}
    _, norm = advance(learning, [broken], 1e-3, 5.0, bf16=False)
    assert math.isnan(norm)
    assert all(map(torch.equal, before, learning.network.parameters()))
    _, norm = advance(learning, [batch], 1e-3, 5.0, bf16=False)
    assert norm > 0
    assert not all(map(torch.equal, before, learning.network.parameters()))


def test_a_frame_without_labels_adds_nothing(folder: Path) -> None:
    torch.manual_seed(0)
    learning = build_learning(CONFIG, torch.device('cpu'), 1)
    batch = next(one_pass(Frames(list_frames('worlds', [folder], '', CONFIG), CONFIG, 0)))
    batch['depth']['log_depth'][:] = math.nan
    batch['semantic']['labels'][:] = 255
    found, norm = advance(learning, [batch], 1e-3, 5.0, bf16=False)
    assert found['depth'].item() == found['semantic'].item() == 0
    assert norm > 0  # from the boxes


def test_a_run_starts_from_the_average_of_another(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = (build_learning(CONFIG, torch.device('cpu'), 1) for _ in range(2))
    state = {'config': CONFIG.name, 'average': first.average.state_dict()}
    torch.save(state, tmp_path / 'last.pt')
    load_average(second, tmp_path / 'last.pt')
    for found in (second.network, second.average):
        assert all(map(torch.equal, first.average.parameters(), found.parameters()))
    torch.save(state | {'config': 'drive_nano'}, tmp_path / 'other.pt')
    with pytest.raises(
        ValueError, match='a checkpoint of drive_nano, not of test: give --weights'
    ):
        load_average(second, tmp_path / 'other.pt')


def test_the_average_follows() -> None:
    learning = build_learning(CONFIG, torch.device('cpu'), 1)
    name = 'heads.depth.bias'
    with torch.no_grad():
        learning.network.state_dict()[name] += 10.0
    before = learning.average.state_dict()[name].clone()
    update_average(learning, 0, 0.998)  # decay 1/10 at the beginning
    torch.testing.assert_close(learning.average.state_dict()[name], before + 9.0)


def test_best_checkpoint_and_its_weights(folder: Path, tmp_path: Path) -> None:
    train.main(arguments(folder, tmp_path, '--val', str(folder), '--save-every', '5'))
    best = torch.load(tmp_path / 'best.pt', weights_only=True)
    assert best['best'] == best['validation'] > 0
    assert (tmp_path / 'best.safetensors').stat().st_size > 1e5
    assert {'images_per_s', 'loader_wait_share', 'skipped'} <= rows(tmp_path)[-1].keys()


def test_schedules() -> None:
    assert learning_rate('poly', 2.0, 0.0, 0, 4) == 0.5
    assert learning_rate('poly', 2.0, 0.5, 9, 4) == pytest.approx(2 * 0.5**0.9)
    assert learning_rate('cosine', 2.0, 0.5, 9, 4) == pytest.approx(2 * (0.01 + 0.99 / 2))
    assert learning_rate('cosine', 2.0, 1.0, 9, 4) == pytest.approx(0.02)


def test_uncertainty_halves_the_weight_of_twice_the_variance() -> None:
    weights = UncertaintyWeights(('depth', 'semantic'))
    with torch.no_grad():
        weights.log_variance['depth'].fill_(math.log(2))
    total = weights({'depth': torch.tensor(4.0), 'semantic': torch.tensor(0.0)})
    assert total.item() == pytest.approx(4 / 2 + math.log(2) / 2)


def test_dynamic_weights_favour_losses_that_stagnate() -> None:
    weights = DynamicWeights(('depth', 'semantic'))
    for depth in (4.0, 1.0):  # depth's loss falls to a quarter, semantic's stays
        for _ in range(SPAN_STEPS):
            weights({'depth': torch.tensor(depth), 'semantic': torch.tensor(3.0)})
    a, b = math.exp(0.25 / 2), math.exp(1 / 2)
    assert weights.weights().tolist() == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])
