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


ODD = {
    'a tag of 33 bits': b'\xf2\x80\x80\x80\x10\0',
    'a tag of six bytes': b'\xf2\x80\x80\x80\x80\0\0',
    'a tag of ten bytes': b'\xf2\x80\x80\x80\x80\x80\x80\x80\x80\0\0',
    'a length of 32 bits': b'\x72\x80\x80\x80\x80\x10',
    'a length of six bytes': b'\x72\x80\x80\x80\x80\x80\0',
    'field 0': b'\x02\0',
    'a zero': b'\0\0',
    'a group': b'\x0b\x0c',
    'an end without a group': b'\x0c',
    'wire type 6': b'\x0e',
    'a number of eleven bytes': b'\x08' + b'\x80' * 10 + b'\0',
    'a number that is cut off': b'\x08\x80',
    'four bytes that are three': b'\x0d\0\0\0',
}


@pytest.mark.parametrize('name', ODD)
def test_what_versions_of_protobuf_read_differently_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / 'm.onnx')
    path.write_bytes(path.read_bytes() + ODD[name])
    with pytest.raises(ValueError, match=r'not a protobuf message|cut off'):
        metadata_of(path)


def test_zeros_that_pad_a_number_are_read(tmp_path: Path) -> None:
    """Five bytes of tag and of length, as every version reads them: the last metadata entry."""
    path = write(tmp_path / 'm.onnx')
    entry = b'\x0a\x81\0k\x12\x81\0v'
    path.write_bytes(path.read_bytes() + b'\xf2\x80\x80\x80\0\x88\x80\x80\x80\0' + entry)
    assert metadata_of(path) == {'key': 'wert ä', 'k': 'v'}


def test_a_number_beyond_its_message_is_refused(tmp_path: Path) -> None:
    """Metadata of one byte, the tag of a number that lies outside."""
    path = tmp_path / 'm.onnx'
    path.write_bytes(b'\x72\x01\x08\x05')
    with pytest.raises(ValueError, match='cut off'):
        metadata_of(path)


def test_a_model_without_weights_is_float32(tmp_path: Path) -> None:
    assert precision_of(write(tmp_path / 'm.onnx')) == 'fp32'
