"""ONNX Runtime with TensorRT underneath, for graphs that TensorRT supports only in parts."""

from __future__ import annotations

from mtscene_ros.backends import BackendOptions, engine_cache
from mtscene_ros.backends.onnxruntime_cuda import BoundOnnxRuntime, load_on

PROVIDER = 'TensorrtExecutionProvider'


def load(model_path: str, options: BackendOptions) -> BoundOnnxRuntime:
    """Opens the model file; ONNX Runtime builds and caches the engines. Raises BackendError."""
    folder = options.engine_folder or str(engine_cache.default_folder() / 'onnxruntime')
    settings = {
        'device_id': options.gpu_id,
        'trt_engine_cache_enable': True,  # ONNX Runtime itself checks version and GPU
        'trt_engine_cache_path': folder,
        'trt_fp16_enable': options.precision == 'fp16',
    }
    return load_on(model_path, options, PROVIDER, settings)
