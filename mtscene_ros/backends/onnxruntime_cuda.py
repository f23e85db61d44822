"""ONNX Runtime on an NVIDIA GPU: buffers stay on the device, bound once per batch size.

This needs the package onnxruntime-gpu instead of onnxruntime.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.backends.onnxruntime import (
    ERRORS,
    cause_of,
    metadata_of_session,
    open_session,
    tensor_of,
)

PROVIDER = 'CUDAExecutionProvider'


class BoundOnnxRuntime:
    """One session with bound buffers; device: where inputs and outputs live, 'cuda', or 'cpu' to
    test the same path."""

    def __init__(
        self, session: ort.InferenceSession, precision: str, device: str, gpu_id: int
    ) -> None:
        self._session, self._device, self._gpu_id = session, device, gpu_id
        self.precision = precision
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self._input_name = inputs[0].name
        self.tensors = {node.name: tensor_of(node) for node in (*inputs, *outputs)}
        self.spec_json = metadata_of_session(session)
        self._inputs: dict[int, ort.OrtValue] = {}  # by batch size
        provider = session.get_providers()[0].removesuffix('ExecutionProvider')
        self.description = f'ONNX Runtime {ort.__version__}, {provider}, {precision}'
        self.details = {'provider': provider}
        self.sidecar: Path | None = None  # ONNX Runtime keeps its engines itself

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `Backend.infer`."""
        if not names:
            return {}
        try:
            binding = self._session.io_binding()
            binding.bind_ortvalue_input(self._input_name, self._on_device(batch))
            for name in names:
                binding.bind_output(name, self._device, self._gpu_id)
            self._session.run_with_iobinding(binding)
            values = binding.copy_outputs_to_cpu()
        except (*ERRORS, RuntimeError, ValueError) as error:  # bindings raise built-in errors
            raise BackendError(
                f'ONNX Runtime failed on a batch of {batch.shape}: {cause_of(error)}'
            ) from error
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """See `Backend.close`."""
        self._inputs.clear()
        del self._session

    def _on_device(self, batch: NDArray[np.uint8]) -> ort.OrtValue:
        """Copies the batch into the device memory that this batch size already has."""
        held = self._inputs.get(len(batch))
        if held is None or tuple(held.shape()) != batch.shape:
            held = ort.OrtValue.ortvalue_from_numpy(batch, self._device, self._gpu_id)
            self._inputs[len(batch)] = held
        else:
            held.update_inplace(batch)
        return held


def load(model_path: str, options: BackendOptions) -> BoundOnnxRuntime:
    """Opens the model file. Raises BackendError."""
    return load_on(model_path, options, PROVIDER, cuda_settings(options))


def cuda_settings(options: BackendOptions) -> dict[str, Any]:
    """Returns settings without TF32, whose products keep 10 bits: fp32 must mean float32."""
    return {'device_id': options.gpu_id, 'use_tf32': 0}


def load_on(
    model_path: str, options: BackendOptions, provider: str, settings: dict[str, Any]
) -> BoundOnnxRuntime:
    """Opens the model with one of the GPU providers.

    Operators that it cannot run fall to CUDA, then to the CPU. Raises BackendError, also where
    ONNX Runtime silently chose the CPU alone.
    """
    if provider not in ort.get_available_providers():
        raise BackendError(
            f'This ONNX Runtime {ort.__version__} has no {provider}; install onnxruntime-gpu '
            'instead of onnxruntime, or set backend: onnxruntime.'
        )
    if importlib.util.find_spec('nvidia') and hasattr(ort, 'preload_dlls'):
        ort.preload_dlls()  # CUDA and cuDNN from wheels are not on the library path
    providers: list[Any] = [(provider, settings)]
    if provider != PROVIDER:
        providers.append((PROVIDER, cuda_settings(options)))
    session, precision = open_session(model_path, options, [*providers, 'CPUExecutionProvider'])
    if session.get_providers()[0] != provider:
        raise BackendError(
            f'ONNX Runtime {ort.__version__} could not start {provider} on GPU {options.gpu_id}: '
            'its log names the missing CUDA library or driver; install it.'
        )
    return BoundOnnxRuntime(session, precision, 'cuda', options.gpu_id)
