"""Fine-tuning biases for one task: only they change, it helps, and a break changes nothing."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch')

from training import meta_train, teach, tune  # noqa: E402
from training.networks.zoo import COMPACT_MATCHING, MATCHING  # noqa: E402
from training.weights.checkpoint_store import read_safetensors, save_weights  # noqa: E402
from training.weights.matching_checkpoints import (  # noqa: E402
    TASK_BIAS,
    load_matching,
    tuned_names,
)
from training.weights.parity_matching import made_up_state  # noqa: E402

VTM_KEYS = Path(__file__).parents[1] / 'data/networks/tiny_vtm/keys.json'
WORDS = ['--threads', '1', '--learning-rate', '1e-2']


def manifest(folder: Path) -> str:
    """Two frames whose left half is grass and right half is stone, in other colours than ever."""
    rows = []
    for k in range(2):
        ids = np.zeros((64, 128), np.uint8)
        ids[:, 40 + 40 * k :] = 1
        rgb = np.array([[30, 160, 60], [150, 140, 150]], np.uint8)[ids]
        cv2.imwrite(str(folder / f'{k}.png'), rgb)
        cv2.imwrite(str(folder / f'{k}_ids.png'), ids)
        rows.append({'image': f'{k}.png', 'maps': {'floor': f'{k}_ids.png'}})
    path = folder / 'm.yaml'
    path.write_text(
        yaml.safe_dump({'maps': {'floor': {'classes': ['grass', 'stone']}}, 'frames': rows})
    )
    return str(path)


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    network = meta_train.fresh_network(COMPACT_MATCHING['test_match'])
    path = tmp_path_factory.mktemp('weights') / 'test_match.safetensors'
    save_weights(path, network.state_dict())
    return str(path)


def losses(printed: str) -> list[float]:
    return [float(line.split('loss ')[1].split(',')[0]) for line in printed.splitlines()[:-1]]


def test_biases_and_scales_alone_learn_the_task(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = manifest(tmp_path), tmp_path / 'floor.safetensors'
    words = [path, '--weights', weights, *WORDS]
    assert tune.main([*words, '-o', str(out), '--steps', '40']) == 0
    first, last = losses(capsys.readouterr().out)
    assert last < first
    learned = read_safetensors(out)
    assert all(value.ndim == 1 for value in learned.values())
    options = ['--weights', weights, '-o', str(tmp_path / 'x.onnx'), '--tuned', str(out)]
    graph = teach.taught(teach.options_from([path, *options]))
    network = graph.get_submodule('network')
    assert torch.equal(network.get_parameter('head.bias'), learned['head.bias'])
    before = read_safetensors(Path(weights))
    assert torch.equal(network.get_parameter('head.weight'), before['head.weight'])


def test_a_break_changes_nothing(weights: str, tmp_path: Path) -> None:
    path = manifest(tmp_path)
    found = []
    for name, stops in (('whole', ['4']), ('broken', ['2', '4'])):
        out = tmp_path / f'{name}.safetensors'
        for stop in stops:
            words = ['-o', str(out), '--steps', '4', '--stop-at', stop]
            assert tune.main([path, '--weights', weights, *WORDS, *words]) == 0
        found.append(read_safetensors(out))
    for key, value in found[0].items():
        assert torch.equal(found[1][key], value), key


def test_each_channel_of_the_standard_network_gets_biases(tmp_path: Path) -> None:
    network = load_matching(MATCHING['tiny_vtm'], made_up_state(json.loads(VTM_KEYS.read_text())))[
        0
    ]
    file, out = tmp_path / 'vtm.safetensors', tmp_path / 'floor.safetensors'
    save_weights(file, network.state_dict())
    words: list[Any] = [manifest(tmp_path), '--weights', str(file)]
    assert tune.main([*words, *WORDS, '-o', str(out), '--row', '1', '--steps', '2']) == 0
    learned = read_safetensors(out)
    assert all(TASK_BIAS.fullmatch(key) for key in learned)
    assert {len(value) for value in learned.values()} == {2}
    graph = teach.taught(teach.options_from([*words, '-o', 'x.onnx', '--tuned', str(out)]))
    assert graph.encodings == 2
    key = tuned_names(network)[0]
    assert torch.equal(graph.network.get_parameter(key), learned[key])


def test_what_does_not_fit_is_refused(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, tuned = manifest(tmp_path), tmp_path / 'other.safetensors'
    save_weights(tuned, {'head.bias': torch.zeros(2)})
    words = [path, '--weights', weights, '-o', str(tmp_path / 'x.onnx'), '--tuned', str(tuned)]
    assert teach.main(words) == 2
    assert 'other.safetensors was not tuned for this network' in capsys.readouterr().err
    (tmp_path / 'x.partial.pt').write_bytes(b'no checkpoint')
    out = str(tmp_path / 'x.safetensors')
    assert tune.main([path, '--weights', weights, *WORDS, '-o', out]) == 2
    assert 'x.partial.pt is not a checkpoint' in capsys.readouterr().err
