"""Graphs for TensorRT 8.6: the same numbers at opset 17."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.graphs.opset17 import lowered

X = np.arange(24, dtype=np.float32).reshape(1, 4, 6)


def graph(node: onnx.NodeProto, **constants: Any) -> onnx.ModelProto:
    """Returns a graph: x (1, 4, 6) → one operator of opset 18 → its outputs."""
    tensors = [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()]
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, X.shape)
    ys = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ['a', 'b', 'c'])
        for name in node.output
    ]
    made = helper.make_graph([node], 'g', [x], ys, tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)


def answers(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return [np.asarray(y) for y in session.run(None, {'x': X})]


CASES = {
    'Split': graph(helper.make_node('Split', ['x'], ['a', 'b'], axis=1, num_outputs=2)),
    'ReduceMax': graph(helper.make_node('ReduceMax', ['x', 'axes'], ['y']), axes=[1]),
    'ReduceMean': graph(helper.make_node('ReduceMean', ['x', 'axes'], ['y']), axes=[2]),
    'ReduceSum': graph(helper.make_node('ReduceSum', ['x', 'axes'], ['y']), axes=[1, 2]),
    'Resize': graph(
        helper.make_node('Resize', ['x', '', 'scales'], ['y'], mode='linear', antialias=0),
        scales=np.array([1, 1, 2], np.float32),
    ),
}


@pytest.mark.parametrize('operator', CASES)
def test_the_numbers_stay_the_same(operator: str) -> None:
    before = answers(CASES[operator])
    model = lowered(CASES[operator])
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    for want, got in zip(before, answers(model), strict=True):
        np.testing.assert_array_equal(want, got)


def test_features_that_opset_17_lacks_are_refused() -> None:
    scales = np.array([1, 1, 0.5], np.float32)
    node = helper.make_node('Resize', ['x', '', 'scales'], ['y'], mode='linear', antialias=1)
    with pytest.raises(ValueError, match='Resize  needs opset 18'):
        lowered(graph(node, scales=scales))


def test_a_later_graph_is_refused() -> None:
    model = graph(helper.make_node('Relu', ['x'], ['y']))
    model.opset_import[0].version = 20
    with pytest.raises(ValueError, match='has opset 20'):
        lowered(model)
