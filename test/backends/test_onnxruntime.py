from pathlib import Path

import numpy as np
import pytest

from mtscene_ros.backends import BackendError, BackendOptions, open_backend


def test_infer_returns_what_is_asked_for(tiny_path: str) -> None:
    backend = open_backend('onnxruntime', tiny_path, BackendOptions(threads=1))
    outputs = backend.infer(np.full((2, 16, 32, 3), 80, np.uint8), ['semantic_labels'])
    assert set(outputs) == {'semantic_labels'}
    assert (outputs['semantic_labels'] == np.full((2, 16, 32), 10)).all()
    assert backend.infer(np.zeros((1, 16, 32, 3), np.uint8), []) == {}
    backend.close()


def test_wrong_batch_is_one_sentence(tiny_path: str) -> None:
    backend = open_backend('onnxruntime', tiny_path, BackendOptions(threads=1))
    with pytest.raises(BackendError, match=r'failed on a batch of \(1, 3, 3, 3\)'):
        backend.infer(np.zeros((1, 3, 3, 3), np.uint8), ['depth'])


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match='does not exist'):
        open_backend('onnxruntime', str(tmp_path / 'no.onnx'), BackendOptions())
    (tmp_path / 'text.onnx').write_text('this is no model')
    with pytest.raises(BackendError, match='not an ONNX model'):
        open_backend('onnxruntime', str(tmp_path / 'text.onnx'), BackendOptions())


def test_unknown_backend_names_the_known() -> None:
    with pytest.raises(BackendError, match='use one of auto, '):
        open_backend('tensorflow', 'm.onnx', BackendOptions())
