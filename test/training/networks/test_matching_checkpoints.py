"""Checkpoints of Visual Token Matching: what is taken, what is refused and how it is said."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch')

from training.import_checkpoint import main  # noqa: E402
from training.networks.zoo import MATCHING  # noqa: E402
from training.weights.checkpoint_store import CheckpointError  # noqa: E402
from training.weights.matching_checkpoints import (  # noqa: E402
    TASK_BIAS,
    imported,
    load_matching,
    read_matching,
)
from training.weights.parity_matching import made_up_state  # noqa: E402

CONFIG = MATCHING['tiny_vtm']
BLOCK = 'image_backbone.backbone.beit.blocks.0.'


@pytest.fixture
def state(data: Path) -> dict[str, Any]:
    return made_up_state(json.loads((data / 'tiny_vtm/keys.json').read_text()))


def lightning(path: Path, state: dict[str, Any], **further: Any) -> Path:
    entries = {f'model.{key}': value for key, value in state.items()}
    torch.save({'state_dict': entries, 'epoch': 3, 'global_step': 7, **further}, path)
    return path


def biases(state: dict[str, Any], channels: int) -> dict[str, Any]:
    return {k: torch.ones(channels, *v.shape[1:]) for k, v in state.items() if TASK_BIAS.match(k)}


def test_a_meta_trained_checkpoint(
    state: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'vtm.safetensors'
    meta = str(lightning(tmp_path / 'meta.ckpt', state))
    assert main([meta, '--model', 'tiny_vtm', '-o', str(out)]) == 0
    printed = capsys.readouterr().out
    assert (
        'left out, no output depends on it: label_backbone.backbone.pretrained.model.norm'
        in printed
    )
    assert 'biases for 5 channels' in printed
    network, dropped = imported(out)
    assert dropped == []
    assert network.config == CONFIG
    key = 'matching_module.matching.2.fc_o.weight'
    assert torch.equal(network.get_parameter(key), state[key])


def test_a_fine_tuned_one_is_laid_over_it(state: dict[str, Any], tmp_path: Path) -> None:
    meta = lightning(tmp_path / 'meta.ckpt', state)
    tuned = lightning(tmp_path / 'tuned.ckpt', biases(state, 3))
    network, _ = imported(meta, tuned, CONFIG)
    assert network.config.bias_rows == 3
    assert torch.equal(network.get_parameter(BLOCK + 'attn.proj.bias'), torch.ones(3, 48))
    assert torch.equal(network.get_parameter(BLOCK + 'gamma_1'), state[BLOCK + 'gamma_1'])


def test_every_wrong_entry_of_the_fine_tuned_one_is_named(
    state: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = biases(state, 3)
    del tuned[BLOCK + 'norm1.bias']
    tuned[BLOCK + 'gamma_1'] = torch.zeros(48)
    tuned[BLOCK + 'mlp.fc1.bias'] = torch.zeros(4, 192)
    paths = [lightning(tmp_path / n, s) for n, s in (('a.ckpt', state), ('b.ckpt', tuned))]
    out = ['--model', 'tiny_vtm', '-o', str(tmp_path / 'o.safetensors')]
    assert main([str(paths[0]), '--tuned', str(paths[1]), *out]) == 2
    printed = capsys.readouterr().err
    assert f'1 missing: {BLOCK}norm1.bias 3x48.' in printed
    assert f'1 unexpected: {BLOCK}gamma_1 48.' in printed
    assert f'1 misshapen: {BLOCK}mlp.fc1.bias is 4x192, not 3x192.' in printed
    assert not (tmp_path / 'o.safetensors').exists()


def test_every_wrong_entry_of_the_meta_trained_one_is_named(state: dict[str, Any]) -> None:
    del state['matching_module.matching.0.pre_ln_k.bias']
    del state[BLOCK + 'attn.q_bias']
    state['matching_module.matching.1.pre_ln_k.bias'] = torch.zeros(48)
    state['extra.weight'] = torch.zeros(2, 3)
    state[BLOCK + 'gamma_2'] = torch.zeros(7)
    with pytest.raises(CheckpointError) as caught:
        load_matching(CONFIG, state)
    assert str(caught.value).splitlines() == [
        'The checkpoint does not fit the network.',
        '1 missing: matching_module.matching.0.pre_ln_k.bias 48.',
        '1 with other values than pre_ln_q: matching_module.matching.1.pre_ln_k.bias.',
        f'1 missing: {BLOCK}attn.q_bias 48.',
        '1 unexpected: extra.weight 2x3.',
        f'1 misshapen: {BLOCK}gamma_2 is 7, not 48.',
    ]


def test_the_architectures_own_buffer_is_checked(state: dict[str, Any]) -> None:
    network, _ = load_matching(CONFIG, state)
    key = BLOCK + 'attn.relative_position_index'
    right = network.get_buffer(key)
    load_matching(CONFIG, {**state, key: right})
    with pytest.raises(CheckpointError, match='other values than the architecture computes'):
        load_matching(CONFIG, {**state, key: right + 1})


def test_hyper_parameters_of_the_authors_are_no_code(
    state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EasyDict(dict):  # as the package has it: entries are attributes as well
        def __init__(self, **entries: Any) -> None:
            super().__init__(**entries)
            self.__dict__.update(entries)

    EasyDict.__module__, EasyDict.__qualname__ = 'easydict', 'EasyDict'
    package = types.ModuleType('easydict')
    package.EasyDict = EasyDict
    monkeypatch.setitem(sys.modules, 'easydict', package)
    settings = EasyDict(lr=1e-4, model=EasyDict(name='vtm'))
    path = lightning(tmp_path / 'a.ckpt', state, hyper_parameters={'config': settings})
    monkeypatch.delitem(sys.modules, 'easydict')
    assert set(read_matching(path)) == set(state)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ('open("/tmp/mtscene_vtm_was_here", "w")',))


def test_a_file_with_code_is_not_run(state: dict[str, Any], tmp_path: Path) -> None:
    path = lightning(tmp_path / 'a.ckpt', state, hyper_parameters={'config': Hostile()})
    with pytest.raises(CheckpointError, match=r'code or objects besides tensors') as caught:
        imported(path)
    assert '\n' not in str(caught.value)
    assert not Path('/tmp/mtscene_vtm_was_here').exists()


def test_a_fine_tuned_checkpoint_alone_is_no_network(
    state: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match='is no meta-trained checkpoint'):
        imported(lightning(tmp_path / 'a.ckpt', biases(state, 2)))
    torch.save({'epoch': 3}, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='no state dictionary'):
        read_matching(tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='does not exist'):
        read_matching(tmp_path / 'x.safetensors')


@pytest.mark.parametrize(
    ('further', 'complaint'),
    [
        (['-o', 'vtm.onnx'], 'name the output vtm.safetensors'),
        (['-o', 'v.safetensors', '--focal-px', '500'], '--focal-px concerns a model file'),
        (['-o', 'v.onnx', '--model', 'tiny_invpt_nyud', '--tuned', 'b'], 'goes with vtm_beitb'),
    ],
)
def test_options_that_do_not_fit(
    further: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['a.ckpt', '--model', 'tiny_vtm', *further])
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err
