"""Runtimes that execute a model file, one module each, imported only when somebody asks for it.

Everything about TensorRT engines (build, cache, the process that builds) lives here as well.
Nothing in here may know what a tensor means.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import proof
from mtscene_ros.models.external_data import external_files
from mtscene_ros.models.spec import TensorSpec


class BackendError(RuntimeError):
    """The model cannot be loaded or run; one sentence says why and what to do."""


class BackendCancelledError(BackendError):
    """The receiver of the build's progress cancelled the build."""


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How to open a model.

    threads: CPU threads of the runtime, 0 for one per physical core; gpu_id: index of the GPU;
    max_batch: images per inference; precision: the number format that the runtime must compute in,
    'file' for the one of the file, 'auto' for the fastest whose answers are right (backend 'auto'
    on a CPU; elsewhere that of the file); dla_core: of a Jetson, -1 for none; engine_folder: ''
    for the user's cache; progress: called with phase and share done while an engine is built or
    runtimes are tried, and cancels that by returning False.
    """

    threads: int = 0
    gpu_id: int = 0
    max_batch: int = 1
    precision: str = 'file'
    dla_core: int = -1
    engine_folder: str = ''
    progress: Callable[[str, float], bool] | None = None


class Backend(Protocol):
    """A loaded model. All calls come from one thread."""

    description: str  # runtime, version, device and actual precision, for logs and diagnostics
    precision: str  # the actual one: fp32, bf16, fp16, int8
    details: Mapping[str, str]  # for diagnostics: engine, GPU memory
    spec_json: str | None  # the spec in the metadata of the file
    tensors: Mapping[str, TensorSpec]  # inputs and outputs as the runtime reports them
    sidecar: Path | None  # JSON file beside a cached engine, which keeps the verdict about it

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """Runs (B, h, w, 3) uint8 images; returns the named outputs. Raises BackendError."""

    def close(self) -> None:
        """Frees the memory; the object must not be used afterwards."""


BACKENDS: dict[str, str] = {
    'auto': 'mtscene_ros.backends.auto',
    'tensorrt': 'mtscene_ros.backends.tensorrt',
    'onnxruntime_tensorrt': 'mtscene_ros.backends.onnxruntime_tensorrt',
    'onnxruntime_cuda': 'mtscene_ros.backends.onnxruntime_cuda',
    'onnxruntime': 'mtscene_ros.backends.onnxruntime',
    'openvino': 'mtscene_ros.backends.openvino',
    'constant': 'mtscene_ros.backends.constant',
}


# 'auto' returns what one of the others has opened; stored outputs have nothing to prove.
UNPROVED = ('auto', 'constant')


def check_weights(model_path: str) -> None:
    """Raises BackendError for an ONNX file that takes weights from outside its folder."""
    path = Path(model_path)
    if not path.exists():
        return  # the runtime reports it
    if not path.is_file():  # a device or a pipe might be read without end
        raise BackendError(f'Model {model_path!r} is not a file; give the path of one.')
    try:
        external_files(path)
    except (OSError, ValueError) as error:
        raise BackendError(
            f'Model file {model_path!r} is not an ONNX model that may be loaded ({error}); export '
            'it again or put its weights beside it.'
        ) from None


def open_backend(name: str, model_path: str, options: BackendOptions) -> Backend:
    """Loads the model.

    Raises BackendError for unknown backends, missing runtimes, unusable files, and where the
    runtime computes in another precision than requested or fails the self-test of the file.
    """
    if name not in BACKENDS:
        raise BackendError(f'Backend {name!r} is unknown; use one of {", ".join(BACKENDS)}.')
    try:
        module = importlib.import_module(BACKENDS[name])
    except ImportError as error:
        raise BackendError(f'Backend {name!r} is not installed ({error}).') from error
    if name != 'constant':  # all others read ONNX, whatever the name of the file
        check_weights(model_path)
    backend: Backend = module.load(model_path, options)
    if options.precision not in ('auto', 'file', backend.precision):
        backend.close()
        raise BackendError(
            f'precision is {options.precision!r}, but {backend.description} computes '
            f'{model_path} in {backend.precision}; {how_to_get(options.precision)}, or set '
            "precision: 'auto'."
        )
    if name not in UNPROVED:
        prove(backend, model_path)
    return backend


def how_to_get(precision: str) -> str:
    if precision == 'bf16':
        return (
            'bf16 needs backend: openvino, a float32 file and a processor with AVX512_BF16 or AMX'
        )
    return f'export the model with `--precision {precision}`'


def prove(backend: Backend, model_path: str) -> None:
    """Runs the self-test of the file and adds the outcome to the description.

    A runtime that computes in a coarser format than the file's has wide bounds, in which damaged
    weights could hide, so the file is proved on ONNX Runtime as well. Raises BackendError, after
    closing the backend, where an answer is beyond its bound.
    """
    try:
        if proof.is_coarser(Path(model_path), backend.precision, backend.sidecar):
            open_backend('onnxruntime', model_path, BackendOptions(threads=1)).close()
        verdict = proof.verdict_of(
            Path(model_path), backend.infer, backend.precision, backend.sidecar
        )
    except (OSError, ValueError) as error:
        backend.close()
        raise BackendError(str(error)) from error
    except BaseException:
        backend.close()
        raise
    if verdict.failed:
        backend.close()
        raise BackendError(
            f'{backend.description} does not compute what {model_path} was exported with '
            f'({verdict.failed}); use another backend or precision, or export the model again.'
        )
    backend.description += f', {verdict.passed}'
