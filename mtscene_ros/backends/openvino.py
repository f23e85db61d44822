"""OpenVINO on the CPU; install it with `pip install openvino`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.backends.onnxruntime import checked_precision
from mtscene_ros.models.onnx_file import metadata_of
from mtscene_ros.models.spec import METADATA_KEY, TensorSpec

OPENVINO_NAMES = {'f32': 'fp32', 'f16': 'fp16', 'bf16': 'bf16'}


class OpenVino:
    """One compiled model; all its outputs are computed at each inference."""

    def __init__(
        self, compiled: openvino.CompiledModel, spec_json: str | None, precision: str
    ) -> None:
        self._request = compiled.create_infer_request()
        self.spec_json = spec_json
        nodes = (*compiled.inputs, *compiled.outputs)
        # A tensor may have several names, one for each operator that was fused into it.
        self.tensors = {name: _tensor(node, name) for node in nodes for name in node.get_names()}
        hint = compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name()
        self.precision = precision if precision != 'fp32' else OPENVINO_NAMES.get(hint, hint)
        self.details: dict[str, str] = {}
        self.sidecar: Path | None = None
        version = openvino.__version__.split('-')[0]
        self.description = f'OpenVINO {version}, CPU, {self.precision}'

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `Backend.infer`."""
        if not names:
            return {}
        try:
            self._request.infer([batch], share_inputs=True)
        except (RuntimeError, ValueError) as error:
            first_line = str(error).strip().splitlines()[-1]
            raise BackendError(
                f'OpenVINO failed on a batch of {batch.shape}: {first_line}'
            ) from error
        return {name: self._request.get_tensor(name).data.copy() for name in names}

    def close(self) -> None:
        """See `Backend.close`."""
        del self._request


def load(model_path: str, options: BackendOptions) -> OpenVino:
    """Opens the model file. Raises BackendError."""
    path = Path(model_path)
    if not path.is_file():
        raise BackendError(f'Model file {model_path!r} does not exist; check its path.')
    # OpenVINO's reader crashes on damaged graphs (test/trust), which ONNX Runtime refuses.
    precision = checked_precision(model_path)
    settings: dict[str, Any] = {
        # Without the hint OpenVINO computes in bfloat16 where the processor supports it.
        'INFERENCE_PRECISION_HINT': 'bf16' if options.precision == 'bf16' else 'f32',
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_NUM_THREADS': options.threads,
    }
    try:
        metadata = metadata_of(path)
        compiled = openvino.Core().compile_model(model_path, 'CPU', settings)
    except (RuntimeError, ValueError) as error:
        last_line = str(error).strip().splitlines()[-1]
        raise BackendError(
            f'Model file {model_path!r} is not an ONNX model that OpenVINO '
            f'{openvino.__version__} can run ({last_line}); export it again.'
        ) from error
    return OpenVino(compiled, metadata.get(METADATA_KEY), precision)


def _tensor(node: Any, name: str) -> TensorSpec:
    shape = tuple(n.get_length() if n.is_static else -1 for n in node.get_partial_shape())
    dtype = np.dtype(node.get_element_type().to_dtype()).name
    return TensorSpec(name, shape, dtype)
