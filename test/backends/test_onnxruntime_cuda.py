"""I/O binding tried with buffers of the CPU; what the GPU's provider says where there is none."""

import numpy as np
import onnxruntime
import pytest

from mtscene_ros.backends import BackendError, BackendOptions, open_backend
from mtscene_ros.backends.onnxruntime import cause_of, open_session
from mtscene_ros.backends.onnxruntime_cuda import BoundOnnxRuntime, load_on


def bound(path: str) -> BoundOnnxRuntime:
    session, precision = open_session(path, BackendOptions(1), ['CPUExecutionProvider'])
    return BoundOnnxRuntime(session, precision, 'cpu', 0)


def test_bound_buffers_give_the_plain_answers(tiny_path: str) -> None:
    plain = open_backend('onnxruntime', tiny_path, BackendOptions(1))
    backend = bound(tiny_path)
    random = np.random.default_rng(0)
    for size in (1, 2, 1):  # the buffer of a batch size is used again
        images = random.integers(0, 256, (size, 16, 32, 3), np.uint8)
        names = ['depth', 'semantic_labels']
        want, got = plain.infer(images, names), backend.infer(images, names)
        assert list(got) == names
        assert all(np.array_equal(want[name], got[name]) for name in names)
    backend.close()


def test_a_wrong_image_is_one_sentence(tiny_path: str) -> None:
    with pytest.raises(BackendError, match=r'failed on a batch of \(1, 5, 5, 3\)'):
        bound(tiny_path).infer(np.zeros((1, 5, 5, 3), np.uint8), ['depth'])


@pytest.mark.skipif(
    'CUDAExecutionProvider' in onnxruntime.get_available_providers(), reason='it is there'
)
def test_without_the_gpu_package_the_fix_is_named(tiny_path: str) -> None:
    with pytest.raises(BackendError, match='install onnxruntime-gpu instead of onnxruntime'):
        load_on(tiny_path, BackendOptions(1), 'CUDAExecutionProvider', {})


# As ONNX Runtime 1.31.1 said it on an H200 whose memory was taken, its C++ types cut short.
FULL = (
    '/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 CudaCall(...) [with '
    'ERRTYPE = cudaError; bool THRW = true] CUDA failure 2: out of memory ; GPU=0 ; hostname=vm ; '
    'file=cuda_execution_provider.cc ; line=355 ; expr=cudaSetDevice(info_.device_id); \n\n'
)


def test_of_a_full_gpu_only_the_cause_is_told(
    tiny_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **options: object) -> None:
        assert options['enable_fallback'] == 0  # else the CPU would take over in silence
        raise RuntimeError(FULL)

    monkeypatch.setattr(onnxruntime, 'InferenceSession', full)
    with pytest.raises(BackendError, match=r'on the GPU \(CUDA failure 2: out of memory\); check'):
        open_session(tiny_path, BackendOptions(1), ['CUDAExecutionProvider'])


def test_other_causes_are_their_first_line() -> None:
    assert cause_of(RuntimeError('one\ntwo')) == 'one'
    assert cause_of(RuntimeError()) == 'RuntimeError'
