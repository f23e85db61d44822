"""precision: auto on a CPU: what is tried, what is chosen, what is remembered."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from mtscene_ros.backends import (
    BackendCancelledError,
    BackendError,
    BackendOptions,
    auto,
    open_backend,
    trial,
)
from mtscene_ros.backends.trial import Processor, Trial, Way
from mtscene_ros.models.self_test import SELF_TEST_KEY, Answer, SelfTest

XEON = Processor('Xeon', frozenset({'avx512_bf16', 'avx512_vnni'}))
BOUNDS = {'fp32': 0.01, 'bf16': 0.1, 'int8': 0.5}
AUTO = BackendOptions(1, precision='auto')


@pytest.fixture
def model(tiny_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny model with a self-test, and a cache of its own."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return proving(tiny_path, tmp_path / 'm.onnx', 40.0)


def proving(source: str, path: Path, depth_m: float) -> str:
    """Adds a self-test: blue / 2 is the depth in metres."""
    answer = Answer('depth', 'depth', 'relative error', np.full(9, depth_m, np.float32), BOUNDS)
    file = onnx.load(source)
    entry = file.metadata_props.add()
    entry.key = SELF_TEST_KEY
    entry.value = SelfTest(np.full((16, 32, 3), 80, np.uint8), (answer,)).to_json()
    onnx.save(file, path)
    return str(path)


def test_a_processor_is_read() -> None:
    text = 'processor\t: 0\nmodel name\t: Xeon\nflags\t\t: avx512_bf16 avx512_vnni\n\nflags\t: x\n'
    assert trial.processor(text) == XEON
    assert trial.processor('Features\t: asimd').flags == {'asimd'}
    assert trial.processor('').flags == frozenset()


@pytest.mark.parametrize(
    ('has_openvino', 'flags', 'sibling', 'names'),
    [
        (False, 'avx512_bf16', False, ['onnxruntime as exported']),
        (True, '', True, ['onnxruntime as exported', 'openvino as exported']),
        (True, 'amx_bf16', False,
         ['onnxruntime as exported', 'openvino as exported', 'openvino bf16']),
        (False, 'avx_vnni', True, ['onnxruntime as exported', 'onnxruntime INT8 sibling']),
    ],
)  # fmt: skip
def test_what_is_tried(
    model: str, tmp_path: Path, has_openvino: bool, flags: str, sibling: bool, names: list[str]
) -> None:
    if sibling:
        (tmp_path / 'm_int8.onnx').touch()
    cpu = Processor('any', frozenset(flags.split()))
    assert list(map(str, trial.ways(model, has_openvino, cpu))) == names


@pytest.mark.parametrize(
    ('ms', 'chosen'), [((50, 60, 46), 0), ((60, 50, 44), 2), ((60, 50, 46), 1)]
)
def test_a_coarser_way_must_save_a_tenth(ms: tuple[float, ...], chosen: int) -> None:
    exact = [Way('onnxruntime', 'file', 'm'), Way('openvino', 'file', 'm')]
    found = [*exact, Way('openvino', 'bf16', 'm')]
    assert trial.fastest(dict(zip(found, ms, strict=True)), 'm') == found[chosen]


def test_a_trial_is_remembered_until_something_changes(model: str, tmp_path: Path) -> None:
    found, made = trial.ways(model, True, XEON), []

    def run() -> Trial:
        made.append(1)
        return Trial(found[2], {str(found[2]): 9.0}, {})

    for cpu, runs in ((XEON, 1), (XEON, 1), (Processor('Atom', XEON.flags), 2)):
        key = trial.key_of(found, 1, cpu)
        assert trial.remembered(model, key, found, run).chosen == found[2]
        assert len(made) == runs
    assert len(list((tmp_path / 'cache/mtscene_ros/trials').glob('m-*.json'))) == 2


def test_a_damaged_memory_costs_another_trial(model: str) -> None:
    found = trial.ways(model, True, XEON)
    key = trial.key_of(found, 1, XEON)
    want = Trial(found[0], {'a': 1.0}, {})
    trial.remembered(model, key, found, lambda: want)
    [kept] = trial.default_folder().glob('*.json')
    assert json.loads(kept.read_text())['key']['processor'] == 'Xeon'
    kept.write_text('{"chosen": 9}')
    assert trial.remembered(model, key, found, lambda: want) == want


def test_auto_measures_what_is_here(model: str) -> None:
    if reason := auto.why_not_openvino(AUTO):
        pytest.skip(reason)
    for _ in range(2):
        backend = open_backend('auto', model, AUTO)
        assert backend.infer(np.full((1, 16, 32, 3), 80, np.uint8), ['depth'])['depth'].max() == 40
        assert backend.details['trial'].startswith('precision auto took ')
        assert 'openvino as exported' in backend.description
        backend.close()
    assert len(list(trial.default_folder().glob('*.json'))) == 1


def test_naming_a_precision_and_a_file_without_a_test_switch_it_off(
    model: str, tiny_path: str
) -> None:
    for path, precision in ((model, 'file'), (model, 'fp32'), (tiny_path, 'auto')):
        backend = open_backend('auto', path, BackendOptions(1, precision=precision))
        assert 'trial' not in backend.details
        backend.close()


def test_a_coarse_sibling_is_refused_with_its_numbers(
    model: str, tiny_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sibling is right by its own answers, and 20 % off by those of the model."""
    file = onnx.load(tiny_path)
    [half] = [w for w in file.graph.initializer if w.name == 'half']
    half.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.6), 'half'))
    onnx.save(file, tmp_path / 'other.onnx')
    proving(str(tmp_path / 'other.onnx'), tmp_path / 'm_int8.onnx', 48.0)
    monkeypatch.setattr(trial, 'this_processor', lambda: XEON)
    monkeypatch.setattr(auto, 'why_not_openvino', lambda options: 'not wanted')
    backend = open_backend('auto', model, AUTO)
    assert 'INT8 sibling refused: depth: relative error 0.2 > 0.1' in backend.description
    backend.close()


def test_a_trial_can_be_cancelled(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, 'ways', lambda *_: 2 * [Way('onnxruntime', 'file', model)])
    with pytest.raises(BackendCancelledError, match='cancelled'):
        open_backend('auto', model, BackendOptions(1, precision='auto', progress=lambda *_: False))


def test_bfloat16_where_there_is_none(model: str) -> None:
    with pytest.raises(BackendError, match='bf16 needs backend: openvino'):
        open_backend('onnxruntime', model, BackendOptions(1, precision='bf16'))
