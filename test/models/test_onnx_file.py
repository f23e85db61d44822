"""Precision and metadata read from the file's own bytes."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mtscene_ros.models.onnx_file import metadata_of, precision_of


def write(path: Path, *weights: np.ndarray) -> Path:
    """A model with these weights and one entry of metadata."""
    tensors = [numpy_helper.from_array(w, f'w{i}') for i, w in enumerate(weights)]
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node('Identity', ['x'], ['x'])], 'g', [x], [x], tensors)
    model = helper.make_model(graph)
    helper.set_model_props(model, {'key': 'wert ä'})
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ('dtype', 'precision'), [(np.float32, 'fp32'), (np.float16, 'fp16'), (np.int8, 'int8')]
)
def test_the_precision_of_most_weights_counts(tmp_path: Path, dtype: type, precision: str) -> None:
    few, many = np.zeros((3,), np.float32), np.zeros((5, 7), dtype)
    path = write(tmp_path / 'm.onnx', few, many, np.arange(99))  # whole numbers are no weights
    assert precision_of(path) == precision
    assert metadata_of(path) == {'key': 'wert ä'}


def test_a_file_cut_off_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / 'm.onnx', np.zeros(1000, np.float32))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match='cut off'):
        metadata_of(path)
    path.write_bytes(b'\x07 no protobuf')
    with pytest.raises(ValueError, match='not a protobuf message'):
        precision_of(path)


def test_a_model_without_weights_is_float32(tmp_path: Path) -> None:
    assert precision_of(write(tmp_path / 'm.onnx')) == 'fp32'
