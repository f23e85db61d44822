"""backend: auto: the fastest available runtime that accepts the model, and why.

The order is that of their measured speed (benchmarks/results): TensorRT, ONNX Runtime with CUDA,
OpenVINO, ONNX Runtime; each is tried only where its package and its device exist.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable

from mtscene_ros.backends import (
    Backend,
    BackendCancelledError,
    BackendError,
    BackendOptions,
    open_backend,
)
from mtscene_ros.backends.cuda import Cuda, open_driver
from mtscene_ros.backends.engine_build import MODULES


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


def load(model_path: str, options: BackendOptions) -> Backend:
    """Returns the first backend that opens the model. Raises BackendError where none does."""
    reasons: list[str] = []
    for name, why_not in ORDER.items():
        reason = why_not(options)
        if not reason:
            try:
                backend = open_backend(name, model_path, options)
            except BackendCancelledError:
                raise
            except BackendError as error:
                reason = str(error).rstrip('.')
            else:
                others = '; '.join(reasons)
                backend.description += f' (auto: {others})' if others else ' (auto: first choice)'
                return backend
        reasons.append(f'no {name}: {reason}')
    raise BackendError(f'No backend can open {model_path}: {"; ".join(reasons)}.')
