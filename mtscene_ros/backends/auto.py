"""backend: auto: the fastest available runtime that accepts the model, and why.

The order is that of their measured speed (benchmarks/results): TensorRT, ONNX Runtime with CUDA,
OpenVINO, ONNX Runtime; each is tried only where its package and its device exist. On a CPU the
order of the last two, and their number formats, depend on the processor; with precision 'auto' a
trial decides (trial.py).
"""

from __future__ import annotations

import importlib.util
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mtscene_ros.backends import (
    Backend,
    BackendCancelledError,
    BackendError,
    BackendOptions,
    check_weights,
    open_backend,
    trial,
)
from mtscene_ros.backends.cuda import Cuda, open_driver
from mtscene_ros.backends.engine_build import MODULES
from mtscene_ros.backends.proof import stored_test
from mtscene_ros.backends.trial import Way
from mtscene_ros.models.self_test import SelfTest


def why_not_tensorrt(options: BackendOptions) -> str:
    """Returns why TensorRT cannot be tried, '' where it can."""
    if not any(importlib.util.find_spec(module) for module in MODULES):
        return f'neither {" nor ".join(MODULES)} is installed'
    return why_no_gpu(options)


def why_not_onnxruntime_cuda(options: BackendOptions) -> str:
    from mtscene_ros.backends.onnxruntime import providers

    if 'CUDAExecutionProvider' not in providers():
        return 'onnxruntime-gpu is not installed'
    return why_no_gpu(options)


def why_not_openvino(options: BackendOptions) -> str:
    if platform.machine() not in ('x86_64', 'AMD64'):
        return f'the processor is {platform.machine()}'
    return '' if importlib.util.find_spec('openvino') else 'openvino is not installed'


def why_no_gpu(options: BackendOptions) -> str:
    try:
        Cuda(open_driver(), options.gpu_id).close()
    except BackendError as error:
        return str(error).rstrip('.')
    return ''


# Backend → why it cannot be used here, '' if it can; the first usable one is taken.
ORDER: dict[str, Callable[[BackendOptions], str]] = {
    'tensorrt': why_not_tensorrt,
    'onnxruntime_cuda': why_not_onnxruntime_cuda,
    'openvino': why_not_openvino,
    'onnxruntime': lambda options: '',
}


# Only between these may `precision: auto` choose; a GPU computes in the format of the file.
ON_CPU = ('openvino', 'onnxruntime')


def load(model_path: str, options: BackendOptions) -> Backend:
    """Returns the first backend that opens the model, on a CPU with precision 'auto' the fastest.

    Raises BackendError where none does.
    """
    reasons: list[str] = []
    for name, why_not in ORDER.items():
        if name == ON_CPU[0] and options.precision == 'auto':
            try:
                backend = tried(model_path, options)
            except BackendCancelledError:
                raise
            except (BackendError, OSError, ValueError) as error:
                reasons.append(f'no trial: {str(error).rstrip(".")}')
            else:
                if backend is not None:
                    return explained(backend, reasons)
        reason = why_not(options)
        if not reason:
            try:
                return explained(open_backend(name, model_path, options), reasons)
            except BackendCancelledError:
                raise
            except BackendError as error:
                reason = str(error).rstrip('.')
        reasons.append(f'no {name}: {reason}')
    raise BackendError(f'No backend can open {model_path}: {"; ".join(reasons)}.')


def explained(backend: Backend, reasons: list[str]) -> Backend:
    """Adds to the description why no earlier backend was taken."""
    backend.description += f' (auto: {"; ".join(reasons) or "first choice"})'
    return backend


def tried(model_path: str, options: BackendOptions) -> Backend | None:
    """Returns the backend that a trial chooses or chose earlier, None for a file without a
    self-test and where there is no choice.

    Raises BackendError, OSError and ValueError where no way works.
    """
    check_weights(model_path)
    test = stored_test(Path(model_path))
    if test is None:
        return None
    cpu = trial.this_processor()
    found = trial.ways(model_path, not why_not_openvino(options), cpu)
    if len(found) == 1:
        return None
    key = trial.key_of(found, options.threads, cpu)
    outcome = trial.remembered(
        model_path, key, found, lambda: trial_of(found, test, model_path, options)
    )
    way = outcome.chosen
    backend = open_backend(way.backend, way.path, replace(options, precision=way.precision))
    backend.description += f', {outcome}'
    backend.details = {**backend.details, 'trial': str(outcome)}
    return backend


def trial_of(
    found: list[Way], test: SelfTest, model_path: str, options: BackendOptions
) -> trial.Trial:
    """Opens and measures one way after the other. Raises BackendError where no exact one works."""
    ms: dict[Way, float] = {}
    refused: dict[str, str] = {}
    until_s = time.monotonic() + trial.LONGEST_S
    for number, way in enumerate(found):
        if ms and time.monotonic() > until_s:
            break
        if options.progress and not options.progress(f'trying {way}', number / len(found)):
            raise BackendCancelledError('The trial of runtimes was cancelled.')
        try:
            backend = open_backend(
                way.backend, way.path, replace(options, precision=way.precision)
            )
            try:
                ms[way], why = trial.measured(test, backend.infer)
            finally:
                backend.close()
        except BackendError as error:
            why = str(error).rstrip('.')
        if why:
            ms.pop(way, None)
            refused[str(way)] = why
    if not any(way.path == model_path and way.precision == 'file' for way in ms):
        raise BackendError('; '.join(f'{way}: {why}' for way, why in refused.items()))
    times = {str(way): round(value, 1) for way, value in ms.items()}
    left = len(found) - len(ms) - len(refused)
    return trial.Trial(trial.fastest(ms, model_path), times, refused, left)
