"""TensorRT 8.6, 10, 11 and TensorRT for RTX: one path from an engine to arrays.

    model.onnx → engine (engine_cache.py) → buffers, once → per batch size: upload and network as
    one CUDA graph → download of the requested outputs

One thread of this module owns CUDA; `load`, `infer` and `close` hand their work to it and wait.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ctypes import c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import (
    BackendCancelledError,
    BackendError,
    BackendOptions,
    engine_build,
    engine_cache,
    engine_process,
)
from mtscene_ros.backends.cuda import Cuda, CudaError, Gpu, open_driver
from mtscene_ros.backends.engine_precision import precision_of_engine
from mtscene_ros.models import atomic_file
from mtscene_ros.models.onnx_file import metadata_of, precision_of
from mtscene_ros.models.spec import METADATA_KEY, TensorSpec


class TensorRt:
    """One engine; a batch above max_batch runs in several steps."""

    def __init__(self, thread: ThreadPoolExecutor, execution: Execution, spec_json: str) -> None:
        self._thread, self._execution, self.spec_json = thread, execution, spec_json
        self.tensors = execution.tensors
        self.precision, self.description = execution.precision, execution.description
        self.sidecar: Path | None = execution.sidecar

    @property
    def details(self) -> dict[str, str]:
        """See `Backend.details`."""
        return self._execution.details()

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `Backend.infer`."""
        if not names:
            return {}
        wanted, most = list(names), self._execution.max_batch
        parts = [batch[i : i + most] for i in range(0, len(batch), most)]
        done = [self._thread.submit(self._execution.run, part, wanted).result() for part in parts]
        if len(done) == 1:
            return done[0]
        return {name: np.concatenate([part[name] for part in done]) for name in wanted}

    def close(self) -> None:
        """See `Backend.close`."""
        self._thread.submit(self._execution.close).result()
        self._thread.shutdown()


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What it takes to repeat one batch size.

    A captured graph belongs to the state of its context, so that each size has its own context;
    graph: None where the network cannot be captured.
    """

    context: Any
    graph: c_void_p | None


class Execution:
    """Everything that lives in CUDA; all calls come from the one thread."""

    def __init__(
        self, trt: Any, cuda: Cuda, found: engine_cache.Engine, engine: Any, of_file: str
    ) -> None:
        self._trt, self._cuda, self._engine, self._found = trt, cuda, engine, found
        self._prepared: dict[int, Prepared] = {}
        self.tensors = {t.name: t for t in map(self._tensor, range(engine.num_io_tensors))}
        [self._input] = [name for name in self.tensors if self._is_input(name)]
        self.max_batch = int(engine.get_tensor_profile_shape(self._input, 0)[2][0])
        self.precision = precision_of_engine(trt, engine, of_file)
        kind = 'TensorRT for RTX' if engine_build.is_rtx(trt) else 'TensorRT'
        self.description = (
            f'{kind} {trt.__version__}, {cuda.gpu.name}, {self.precision}, up to '
            f'{self.max_batch} images at once'
        )
        self.sidecar = found.path.with_suffix('.json')
        # RTX compiles kernels on the target machine; the compiled ones are kept beside the engine.
        self._jit_path = found.path.with_suffix('.jit')
        self._runtime_config: Any = None
        self._jit: Any = None
        if engine_build.is_rtx(trt):
            self._open_jit()
        self._buffers = {
            name: cuda.buffer(self.max_batch * bytes_per_image(tensor))
            for name, tensor in self.tensors.items()
        }

    def details(self) -> dict[str, str]:
        """Returns engine, GPU and memory: buffers, weights and the scratch memory in use."""
        scratch = scratch_bytes(self._engine) * len(self._prepared)
        used_bytes = self._cuda.allocated_bytes + len(self._found.plan) + scratch
        return {
            'engine': self._found.path.stem,
            'engine built because': self._found.reason or 'it was in the cache',
            'GPU': self._cuda.gpu.name,
            'GPU memory': f'{used_bytes / 1e6:.0f} MB',
        }

    def run(self, batch: NDArray[np.uint8], names: list[str]) -> dict[str, NDArray[Any]]:
        """Runs at most max_batch images; returns copies of the named outputs."""
        tensor = self.tensors[self._input]
        if batch.shape[1:] != tensor.shape[1:] or batch.dtype.name != tensor.dtype:
            raise BackendError(
                f'The engine takes {tensor.dtype} {tensor.shape}, not {batch.dtype} {batch.shape}.'
            )
        count = len(batch)
        self._view(self._input, count)[:] = batch  # the only copy on the host on the way in
        if count not in self._prepared:
            self._prepared[count] = self._prepare(count)
        prepared = self._prepared[count]
        if prepared.graph is None:
            self._enqueue(prepared.context, count)
        else:
            self._cuda.launch(prepared.graph)
        for name in names:
            self._cuda.download(self._buffers[name], self._view(name, count).nbytes)
        self._cuda.synchronize()
        return {name: self._view(name, count).copy() for name in names}

    def close(self) -> None:
        """Frees contexts and engine before the memory that they use."""
        if self._jit:
            with suppress(OSError):
                content = bytes(self._jit.serialize())
                atomic_file.write_bytes(self._jit_path, content, engine_cache.PRIVATE)
        self._prepared.clear()
        self._runtime_config = self._jit = self._engine = None
        self._buffers.clear()
        self._cuda.close()

    def _prepare(self, count: int) -> Prepared:
        """Runs once, so that TensorRT allocates what it needs, then captures the graph."""
        arguments = (self._runtime_config,) if self._runtime_config else ()
        context = self._engine.create_execution_context(*arguments)
        if context is None:
            raise CudaError('TensorRT created no execution context; free GPU memory.')
        for name, buffer in self._buffers.items():
            context.set_tensor_address(name, buffer.device)
        context.set_input_shape(self._input, (count, *self.tensors[self._input].shape[1:]))
        self._enqueue(context, count)
        self._cuda.synchronize()
        asks = hasattr(context, 'is_stream_capturable')
        if asks and not context.is_stream_capturable(self._cuda.stream):
            return Prepared(context, None)
        try:
            return Prepared(context, self._cuda.capture(lambda: self._enqueue(context, count)))
        except CudaError:  # a network that cannot be captured still runs, call by call
            return Prepared(context, None)

    def _enqueue(self, context: Any, count: int) -> None:
        self._cuda.upload(self._buffers[self._input], self._view(self._input, count).nbytes)
        if not context.execute_async_v3(self._cuda.stream):
            raise CudaError(f'TensorRT could not run a batch of {count}; its log says why.')

    def _view(self, name: str, count: int) -> NDArray[Any]:
        """Returns the first `count` images of a buffer, with the tensor's type and shape."""
        tensor = self.tensors[name]
        used = self._buffers[name].host[: count * bytes_per_image(tensor)]
        return used.view(tensor.dtype).reshape(count, *tensor.shape[1:])

    def _tensor(self, index: int) -> TensorSpec:
        name = self._engine.get_tensor_name(index)
        shape = tuple(self._engine.get_tensor_shape(name))
        if -1 in shape[1:]:
            raise BackendError(f'Tensor {name} has the shape {shape}; only the batch may vary.')
        dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name))).name
        return TensorSpec(name, (-1, *shape[1:]), dtype)

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT)

    def _open_jit(self) -> None:
        runtime_config = self._engine.create_runtime_config()
        jit = runtime_config.create_runtime_cache()
        with suppress(OSError):
            jit.deserialize(self._jit_path.read_bytes())
        runtime_config.set_runtime_cache(jit)
        self._runtime_config, self._jit = runtime_config, jit


def bytes_per_image(tensor: TensorSpec) -> int:
    return math.prod(tensor.shape[1:]) * np.dtype(tensor.dtype).itemsize


def scratch_bytes(engine: Any) -> int:
    """Returns the GPU memory of one execution context; TensorRT 11 knows only the second name."""
    old = getattr(engine, 'device_memory_size', 0)
    return int(getattr(engine, 'device_memory_size_v2', old))


def load(model_path: str, options: BackendOptions) -> TensorRt:
    """Finds or builds the engine and opens it. Raises BackendError."""
    path = Path(model_path)
    if not path.is_file():
        raise BackendError(f'Model file {model_path!r} does not exist; check its path.')
    thread = ThreadPoolExecutor(1, thread_name_prefix='cuda')
    try:
        spec_json = metadata_of(path).get(METADATA_KEY, '')
        execution = thread.submit(opened, path, options).result()
    except engine_build.EngineCancelledError as error:
        thread.shutdown()
        raise BackendCancelledError(str(error)) from error
    except (engine_build.EngineError, ValueError) as error:
        thread.shutdown()
        raise BackendError(str(error)) from error
    except BaseException:
        thread.shutdown()
        raise
    return TensorRt(thread, execution, spec_json)


def opened(path: Path, options: BackendOptions) -> Execution:
    """Opens the engine; must run on the thread that owns CUDA."""
    trt = engine_build.find_module()
    cuda = Cuda(open_driver(), options.gpu_id)
    try:
        found, engine = engine_of(trt, cuda, path, options)
        return Execution(trt, cuda, found, engine, precision_of(path))
    except BaseException:
        cuda.close()
        raise


def engine_of(
    trt: Any, cuda: Cuda, path: Path, options: BackendOptions
) -> tuple[engine_cache.Engine, Any]:
    """Returns the cached engine or a new one, opened, as only opening it shows that it fits."""
    key = key_of(trt, cuda.gpu, path, options)
    runtime = trt.Runtime(engine_build.logger_of(trt))
    if options.dla_core >= 0:
        runtime.DLA_core = options.dla_core
    opened_engines: list[Any] = []

    def fits(plan: bytes) -> bool:
        opened_engines.append(runtime.deserialize_cuda_engine(plan))
        return opened_engines[-1] is not None

    folder = Path(options.engine_folder) if options.engine_folder else None
    found = engine_cache.engine_for(
        path,
        key,
        folder or engine_cache.default_folder(),
        lambda: engine_process.build_in_subprocess(
            path, trt.__name__, key.settings, options.progress, options.gpu_id, key.onnx_sha256
        ),
        fits,
        options.progress,
    )
    if found.reason and not fits(found.plan):
        raise BackendError(
            f'{trt.__name__} {trt.__version__} built an engine of {path} and cannot load '
            'it; its log says why.'
        )
    return found, opened_engines[-1]


def key_of(trt: Any, gpu: Gpu, path: Path, options: BackendOptions) -> engine_cache.EngineKey:
    """Returns the key of an engine.

    Engines of full TensorRT belong to one GPU and its driver. Those of RTX belong to a compute
    capability, so that engines from `mtscene build --target` on another machine are found.
    """
    rtx = engine_build.is_rtx(trt)
    settings = engine_build.BuildSettings(
        options.max_batch,
        half=options.precision != 'fp32',
        target=gpu.compute_capability if rtx else '',
        dla_core=options.dla_core,
    )
    device = engine_cache.Device(gpu.name, gpu.compute_capability, gpu.driver)
    if rtx:
        device = engine_cache.Device(compute_capability=gpu.compute_capability)
    sha256 = engine_cache.onnx_sha256_of(path)
    return engine_cache.EngineKey(sha256, trt.__name__, trt.__version__, device, settings)
