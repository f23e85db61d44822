"""What every backend promises, run over those that are installed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_spec

from mtscene_ros.backends import (
    BACKENDS,
    Backend,
    BackendError,
    BackendOptions,
    auto,
    open_backend,
)
from mtscene_ros.backends.constant import Fault, write
from mtscene_ros.estimator import open_estimator
from mtscene_ros.models.spec import mismatches, spec_from_json
from mtscene_ros.types import CameraFrame

MAY_BE_ABSENT = {
    'tensorrt': auto.why_not_tensorrt,
    'onnxruntime_tensorrt': auto.why_not_onnxruntime_cuda,
    'onnxruntime_cuda': auto.why_not_onnxruntime_cuda,
    'openvino': auto.why_not_openvino,
}
IMAGE = np.full((1, 16, 32, 3), 80, np.uint8)  # of the tiny model: label 10, 40 m


def stored(tiny_path: str, path: Path, **behaviour: object) -> str:
    """The tiny model's answers to IMAGE as a file of the backend `constant`."""
    source = open_backend('onnxruntime', tiny_path, BackendOptions(1))
    names = [t.name for t in tiny_spec().outputs]
    write(path, tiny_spec(), source.infer(IMAGE, names), **behaviour)  # type: ignore[arg-type]
    return str(path)


@pytest.fixture(params=BACKENDS)
def name(request: pytest.FixtureRequest) -> str:
    reason = MAY_BE_ABSENT.get(request.param, lambda options: '')(BackendOptions())
    if reason:
        pytest.skip(f'{request.param}: {reason}')
    return str(request.param)


@pytest.fixture
def model(name: str, tiny_path: str, tmp_path: Path) -> str:
    return stored(tiny_path, tmp_path / 'stored.npz') if name == 'constant' else tiny_path


@pytest.fixture
def backend(name: str, model: str) -> Iterator[Backend]:
    opened = open_backend(name, model, BackendOptions(threads=1))
    yield opened
    opened.close()


def test_it_reports_what_the_spec_promises(backend: Backend, model: str) -> None:
    spec = spec_from_json(backend.spec_json, model)
    assert spec == tiny_spec()
    assert mismatches(spec, backend.tensors) == []
    assert backend.description


def test_it_returns_what_is_asked_for(backend: Backend) -> None:
    outputs = backend.infer(IMAGE.repeat(2, 0), ['semantic_labels', 'depth'])
    assert set(outputs) == {'semantic_labels', 'depth'}
    assert (outputs['semantic_labels'] == np.full((2, 16, 32), 10)).all()
    assert outputs['depth'].dtype == np.float32
    np.testing.assert_allclose(outputs['depth'], np.full((2, 16, 32), 40), rtol=1e-6)
    assert backend.infer(IMAGE, []) == {}


def test_results_stay_when_the_next_image_comes(backend: Backend) -> None:
    first = backend.infer(IMAGE, ['depth'])['depth']
    kept = first.copy()
    backend.infer(IMAGE // 2, ['depth'])
    np.testing.assert_array_equal(first, kept)


def test_a_wrong_batch_is_one_sentence(backend: Backend) -> None:
    with pytest.raises(BackendError, match=r'batch of (uint8 )?\(1, 3, 3, 3\)'):
        backend.infer(np.zeros((1, 3, 3, 3), np.uint8), ['depth'])
    assert backend.infer(IMAGE, ['depth'])['depth'].shape == (1, 16, 32)  # and it goes on


def test_a_missing_and_a_foreign_file(name: str, tmp_path: Path) -> None:
    (tmp_path / 'text.onnx').write_text('this is no model')
    for file in ('missing.onnx', 'text.onnx'):
        with pytest.raises(BackendError, match=file):
            open_backend(name, str(tmp_path / file), BackendOptions())


def test_it_may_work_in_another_thread(backend: Backend) -> None:
    found: list[float] = []
    thread = threading.Thread(
        target=lambda: found.append(backend.infer(IMAGE, ['depth'])['depth'].max())
    )
    thread.start()
    thread.join(20)
    assert found == [pytest.approx(40)]


def test_the_whole_line(name: str, model: str, frame: CameraFrame) -> None:
    results = open_estimator(model, name).estimate([frame])[0].results
    assert set(results) == {'semantic', 'depth', 'boxes3d'}


def test_the_bundled_model(name: str) -> None:
    if name == 'constant':
        pytest.skip('it has stored outputs only')
    assert set(open_estimator('', name).decoders) == {'semantic', 'depth', 'boxes3d'}


def test_stored_outputs_fail_when_told(tiny_path: str, tmp_path: Path) -> None:
    path = stored(tiny_path, tmp_path / 'stored.npz', fail_every=2)
    backend = open_backend('constant', path, BackendOptions())
    backend.infer(IMAGE, ['depth'])
    with pytest.raises(BackendError, match='Inference 2 fails'):
        backend.infer(IMAGE, ['depth'])
    assert set(backend.infer(IMAGE, ['depth'])) == {'depth'}


def test_a_fault_lasts_as_long_as_told(tiny_path: str, tmp_path: Path) -> None:
    fault = Fault('nan', first=2, count=2)
    assert [k for k in range(1, 6) if fault.is_due(k)] == [2, 3]
    assert [k for k in range(1, 6) if Fault('nan', first=4).is_due(k)] == [4, 5]
    path = stored(tiny_path, tmp_path / 'stored.npz', fault=fault)
    backend = open_backend('constant', path, BackendOptions())
    found = [backend.infer(IMAGE, ['depth'])['depth'][0, 0, 0] for _ in range(4)]
    np.testing.assert_array_equal(found, [40, np.nan, np.nan, 40])


def test_an_unknown_fault(tiny_path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fault 'x' is unknown; use one of raises"):
        stored(tiny_path, tmp_path / 'stored.npz', fault=Fault('x'))


def test_stored_outputs_of_another_shape(tmp_path: Path) -> None:
    outputs = {t.name: np.zeros((1, 2), t.dtype) for t in tiny_spec().outputs}
    with pytest.raises(ValueError, match=r'semantic_labels is \(1, 2\), the spec promises'):
        write(tmp_path / 'stored.npz', tiny_spec(), outputs)
