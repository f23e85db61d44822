"""ONNX Runtime with TensorRT below it: for graphs of which TensorRT takes only parts."""

from __future__ import annotations

from mtscene_ros.backends import BackendOptions, engine_cache
from mtscene_ros.backends.onnxruntime_cuda import BoundOnnxRuntime, load_on

PROVIDER = 'TensorrtExecutionProvider'


def load(model_path: str, options: BackendOptions) -> BoundOnnxRuntime:
    """Opens the model file; engines are built in here and kept. Raises BackendError."""
    folder = options.engine_folder or str(engine_cache.default_folder() / 'onnxruntime')
    settings = {
        'device_id': options.gpu_id,
        'trt_engine_cache_enable': True,  # ONNX Runtime checks version and GPU by itself
        'trt_engine_cache_path': folder,
        'trt_fp16_enable': options.precision == 'fp16',
    }
    return load_on(model_path, options, PROVIDER, settings)
