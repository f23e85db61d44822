"""ONNX Runtime on the CPU."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.models.onnx_file import precision_of
from mtscene_ros.models.spec import METADATA_KEY, TensorSpec

ort.set_default_logger_severity(3)  # errors only; its warnings mean nothing to a robot's user

# ONNX Runtime has no common base class for its errors.
ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
    UnicodeDecodeError,  # from a message that quotes a name of the file
)

GPU_FAILURE = re.compile(r'(CU(DA|BLAS|DNN)\w* failure|Failed to allocate memory)[^;\n]*')

_DTYPES = {
    'tensor(uint8)': 'uint8',
    'tensor(int32)': 'int32',
    'tensor(int64)': 'int64',
    'tensor(float16)': 'float16',
    'tensor(float)': 'float32',
}


class OnnxRuntime:
    """One session.

    It computes the whole graph whatever outputs are requested (measured with 1.32, with and
    without only_execute_path_to_fetches: docs/node.md); without any output nothing runs.
    """

    def __init__(self, session: ort.InferenceSession, precision: str) -> None:
        self._session, self.precision = session, precision
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self._input_name = inputs[0].name
        self.tensors = {node.name: tensor_of(node) for node in (*inputs, *outputs)}
        self.spec_json = metadata_of_session(session)
        self.description = f'ONNX Runtime {ort.__version__}, CPU, {precision}'
        self.details: dict[str, str] = {}
        self.sidecar: Path | None = None

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `Backend.infer`."""
        names = list(names)
        if not names:
            return {}
        try:
            values = self._session.run(names, {self._input_name: batch})
        except ERRORS as error:
            raise BackendError(
                f'ONNX Runtime failed on a batch of {batch.shape}: {cause_of(error)}'
            ) from error
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """See `Backend.close`."""
        del self._session


def load(model_path: str, options: BackendOptions) -> OnnxRuntime:
    """Opens the model file. Raises BackendError."""
    session, precision = open_session(model_path, options, ['CPUExecutionProvider'])
    return OnnxRuntime(session, precision)


def open_session(
    model_path: str, options: BackendOptions, providers: list[Any]
) -> tuple[ort.InferenceSession, str]:
    """Returns a session and the precision of the file's weights. Raises BackendError."""
    if not Path(model_path).is_file():
        raise BackendError(f'Model file {model_path!r} does not exist; check its path.')
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    # Threads that spin between frames occupy a core each; a robot needs it for other software.
    session_options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    session, precision = session_of(model_path, session_options, providers)
    if len(session.get_inputs()) != 1:
        raise BackendError(
            f'Model file {model_path!r} has {len(session.get_inputs())} inputs, where one image '
            'is expected; export it again.'
        )
    return session, precision


def session_of(
    model_path: str, options: ort.SessionOptions, providers: list[Any]
) -> tuple[ort.InferenceSession, str]:
    """Returns the session and the precision of the weights. Raises BackendError."""
    options.log_severity_level = 3
    try:
        precision = precision_of(Path(model_path))
        # Its own fallback to the CPU would hide why the GPU fails.
        session = ort.InferenceSession(model_path, options, providers=providers, enable_fallback=0)
    except (*ERRORS, RuntimeError, ValueError) as error:
        if providers[0] != 'CPUExecutionProvider' and GPU_FAILURE.search(str(error)):
            raise BackendError(
                f'Model file {model_path!r} cannot be opened on the GPU ({cause_of(error)}); '
                'check with nvidia-smi which process uses its memory, or set backend: onnxruntime.'
            ) from error
        raise BackendError(
            f'Model file {model_path!r} is not an ONNX model that ONNX Runtime {ort.__version__} '
            f'can run ({cause_of(error)}); export it again.'
        ) from error
    check_tensors(session, model_path)
    return session, precision


def checked_precision(model_path: str) -> str:
    """Opens the graph without optimising or running it and returns the precision of its weights.

    Raises BackendError where the graph is damaged.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return session_of(model_path, options, ['CPUExecutionProvider'])[1]


def cause_of(error: Exception) -> str:
    """Returns one line; CUDA's own message comes after a page of C++ signatures."""
    found = GPU_FAILURE.search(str(error))
    return found[0].strip() if found else (str(error).splitlines() or [type(error).__name__])[0]


def check_tensors(session: ort.InferenceSession, model_path: str) -> None:
    """Raises BackendError for tensors that ONNX Runtime accepts and others cannot handle.

    Those are names that are not valid text in Python, and sizes of 0, by which OpenVINO divides.
    """
    try:
        tensors = [tensor_of(node) for node in (*session.get_inputs(), *session.get_outputs())]
    except UnicodeDecodeError as error:
        raise BackendError(
            f'Model file {model_path!r} has an input or output whose name is not text ({error}); '
            'export it again.'
        ) from None
    for tensor in tensors:
        if 0 in tensor.shape:
            raise BackendError(
                f'Model file {model_path!r} has a tensor {tensor.name!r} of shape '
                f'{list(tensor.shape)}, which is empty; export it again.'
            )


def metadata_of_session(session: ort.InferenceSession) -> str | None:
    """Returns the spec as stored in the file. Raises BackendError."""
    try:
        found: str | None = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    except UnicodeDecodeError as error:
        raise BackendError(
            f'The metadata of the model are not text ({error}); export it again.'
        ) from None
    return found


def tensor_of(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(n if isinstance(n, int) else -1 for n in node.shape)
    return TensorSpec(node.name, shape, _DTYPES.get(node.type, node.type))


def providers() -> list[str]:
    """Returns what this build of ONNX Runtime can run on, best first."""
    return list(ort.get_available_providers())
