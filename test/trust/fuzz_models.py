"""Model files, their metadata, stored outputs, sidecars of engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from conftest import tiny_model, tiny_spec
from hypothesis import strategies as st

from mtscene_ros.backends import BackendError, constant, open_backend
from mtscene_ros.backends import BackendOptions as Options
from mtscene_ros.backends.engine_build import BuildSettings
from mtscene_ros.backends.engine_cache import Device, EngineKey, stored
from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.models.external_data import external_files
from mtscene_ros.models.onnx_file import metadata_of, precision_of
from mtscene_ros.models.spec import METADATA_KEY, SpecError, spec_from_json
from mtscene_ros.tasks.task_decoders import decoders_of

from .fuzz_target import Target, scratch, written

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def changed(draw: st.DrawFn, value: Any, key: str = '') -> Any:
    """The same structure with, here and there, something else in its place."""
    if draw(st.integers(0, 40)) == 23:  # Hypothesis is fond of the ends
        return draw(JSON)
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if draw(st.integers(0, 60)) != 37}
        return {k: changed(draw, v, k) for k, v in kept.items()}
    if isinstance(value, list):
        return [changed(draw, v) for v in value]
    return value


def spec_seeds() -> list[bytes]:
    full = json.loads(tiny_spec().to_json())
    full['tasks']['semantic']['classes'] = full['tasks']['semantic']['classes'][:2]
    full['tasks']['boxes3d']['classes'] = full['tasks']['boxes3d']['classes'][:2]
    disparity = {'convention': 'disparity', 'baseline_m': 0.2, 'focal_px': 32, 'min_m': 0}
    wet = {'name': 'wet', 'shape': [-1, 16, 32], 'dtype': 'float32'}
    tasks = {'depth': {**disparity, 'max_m': 9}, 'wet': {'kind': 'values'}}
    other = {**full, 'outputs': [*full['outputs'], wet], 'tasks': tasks}
    return [json.dumps(full).encode(), json.dumps(other).encode()]


def specs() -> st.SearchStrategy[bytes]:
    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        return json.dumps(changed(draw, json.loads(draw(st.sampled_from(spec_seeds()))))).encode()

    return made()


def run_spec(data: bytes) -> None:
    """What configure does with metadata before a runtime is opened."""
    decoders_of(spec_from_json(data.decode('utf-8', 'replace'), 'model.onnx'), 'model.onnx')


def onnx_seeds() -> list[bytes]:
    """The tiny model, and one whose weight lies in another file."""
    tiny = tiny_model()
    outside = tiny_model()
    weight = next(w for w in outside.graph.initializer if w.dims)
    weight.raw_data = onnx.numpy_helper.to_array(weight).tobytes()
    onnx.external_data_helper.set_external_data(weight, 'weights.bin')
    weight.ClearField('raw_data')
    return [tiny.SerializeToString(), outside.SerializeToString()]


def run_metadata(data: bytes) -> None:
    path = written(data, '.onnx')
    try:
        metadata_of(path)
        precision_of(path)
        external_files(path)
    except ValueError:
        spec_of_file(str(path))  # must say so in its own words
        raise


def npz_seeds() -> list[bytes]:
    """Stored outputs of the tiny model, in small."""
    spec, path = tiny_spec(), scratch('.npz')
    outputs = {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs}
    constant.write(Path(path), spec, outputs)
    few = {'x': np.zeros(3), METADATA_KEY: np.array('{}')}
    small = scratch('.small.npz')
    np.savez_compressed(small, **few)
    return [path.read_bytes(), small.read_bytes()]


def run_npz(data: bytes) -> None:
    path = str(written(data, '.npz'))
    try:
        spec = spec_of_file(path)
    except SpecError:
        open_backend('constant', path, Options())
        raise
    backend = open_backend('constant', path, Options())
    backend.infer(np.zeros((1, *spec.input.shape[1:]), np.uint8), list(backend.tensors)[1:2])


KEY = EngineKey('0' * 64, 'tensorrt', '10.3.0', Device('GPU', '8.9', '550'), BuildSettings())


def sidecar_seeds() -> list[bytes]:
    from dataclasses import asdict

    return [json.dumps({'key': asdict(KEY), 'engine_sha256': '0' * 64}).encode()]


def run_sidecar(data: bytes) -> None:
    path = scratch('-1.engine')
    path.write_bytes(b'plan')
    path.with_suffix('.json').write_bytes(data)
    plan, why = stored(path, KEY, lambda plan: True)
    assert plan is None
    assert why
    other = path.with_name('input-2.engine')
    assert stored(other, KEY, lambda plan: True)[0] is None


TARGETS: dict[str, Target] = {
    'spec': Target(spec_seeds, run_spec, (SpecError,), specs, 3000, 1.5, True),
    'onnx_metadata': Target(
        onnx_seeds, run_metadata, (ValueError, SpecError), None, 3000, 1.0
    ),
    'stored_outputs': Target(npz_seeds, run_npz, (BackendError, SpecError), None, 12000, 0.15),
    'engine_sidecar': Target(sidecar_seeds, run_sidecar, (), None, 1000, 0.5, True),
}  # fmt: skip
