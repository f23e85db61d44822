"""Our search for weights in other files against protobuf's own reader, on whole ONNX models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from mtscene_ros.models.external_data import locations
from mtscene_ros.models.onnx_file import BYTES, Field

from .fuzz_target import Target, written


class ModelError(ValueError):
    """One of the readers does not take the input for a model, so that it is not loaded."""


def weight(name: str) -> TensorProto:
    """Eight numbers in the file of this name."""
    tensor = TensorProto(name='w', dims=[8], data_type=1, data_location=1)
    tensor.external_data.add(key='location', value=name)
    tensor.external_data.add(key='length', value='32')
    return tensor


def model_seeds() -> list[bytes]:
    """A model that names a file in every place that ONNX has for a tensor, and one without any."""
    graph = onnx.GraphProto(name='g', initializer=[weight('a')])
    sparse = onnx.SparseTensorProto(values=weight('b'), indices=weight('c'), dims=[8])
    graph.sparse_initializer.append(sparse)
    graph.node.add(op_type='Constant').attribute.add(name='value', type=4, t=weight('d'))
    inner = onnx.GraphProto(initializer=[weight('e')])
    attributes = graph.node.add(op_type='If').attribute
    attributes.add(name='then_branch', type=5, g=inner)
    attributes.add(name='several', type=9, tensors=[weight('f')], graphs=[inner])
    attributes.add(name='sparse', type=11, sparse_tensor=sparse, sparse_tensors=[sparse])
    model = helper.make_model(onnx.GraphProto(name='g'))
    plain = bytes(model.SerializeToString())
    model.graph.CopyFrom(graph)
    model.training_info.add(initialization=graph, algorithm=inner)
    function = model.functions.add(name='f')
    function.node.add(op_type='Constant').attribute.add(name='value', type=4, t=weight('g'))
    function.attribute_proto.add(name='default', type=4, t=weight('h'))
    small = onnx.ModelProto(graph=onnx.GraphProto(initializer=[weight('../secret.bin')]))
    return [bytes(model.SerializeToString()), bytes(small.SerializeToString()), plain]


def named(message: Any) -> Iterator[str]:
    """The files that protobuf finds in any message below, whichever it is."""
    if isinstance(message, TensorProto):  # text that is not UTF-8 comes as bytes
        files = (e.value for e in message.external_data if e.key == 'location')
        yield from (os.fsdecode(file) for file in files)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if isinstance(value, list) or hasattr(value, 'add') else [value]:
                yield from named(inner)


def run_external_data(data: bytes) -> None:
    """No file that protobuf finds is hidden from us in a model that both accept."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        theirs = set(named(model))
    except DecodeError as error:
        raise ModelError('protobuf refuses it') from error
    with written(data, '.onnx').open('rb') as file:
        ours = set(locations(file, Field(0, BYTES, 0, 0, len(data)), 'model', 0))
    assert theirs <= ours


TARGETS = {'external_data': Target(model_seeds, run_external_data, (ValueError,), None, 2048, 0.5)}
