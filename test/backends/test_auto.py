"""backend: auto takes the first that is there and opens the model, and says why."""

import importlib.util

import pytest

from mtscene_ros.backends import BackendError, BackendOptions, auto, open_backend


def test_says_why_not_the_faster_ones(tiny_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = ('tensorrt', 'tensorrt_rtx', 'openvino')
    found = importlib.util.find_spec
    hidden = lambda name: None if name in absent else found(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, 'find_spec', hidden)
    monkeypatch.setattr(auto, 'why_not_onnxruntime_cuda', lambda options: 'no GPU')
    backend = open_backend('auto', tiny_path, BackendOptions(1))
    assert backend.description.startswith('ONNX Runtime ')
    assert 'no tensorrt: neither tensorrt nor tensorrt_rtx is installed' in backend.description
    assert 'no openvino: openvino is not installed' in backend.description
    assert '\n' not in backend.description
    backend.close()


def test_a_backend_that_refuses_the_model_is_passed_over(
    tiny_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(auto.ORDER, 'tensorrt', lambda options: '')  # there, but without a GPU
    backend = open_backend('auto', tiny_path, BackendOptions(1))
    assert 'no tensorrt: libcuda' in backend.description or 'TensorRT' in backend.description
    backend.close()


def test_a_model_that_nothing_opens_is_one_sentence() -> None:
    with pytest.raises(BackendError, match=r'No backend can open nowhere.onnx: .* does not exist'):
        open_backend('auto', 'nowhere.onnx', BackendOptions(1))


def test_a_precision_that_the_file_has_not_is_refused(tiny_path: str) -> None:
    with pytest.raises(BackendError, match=r"precision is 'fp16', but .* computes .* in fp32"):
        open_backend('onnxruntime', tiny_path, BackendOptions(1, precision='fp16'))
