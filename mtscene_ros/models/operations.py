"""Counts the multiply-accumulate operations of an ONNX graph; needs the onnx package."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Shape = tuple[int, ...]


def count_macs(path: Path) -> Counter[str]:
    """Returns operator → multiply-accumulate operations for one image.

    Conv, ConvTranspose, MatMul, Gemm and Einsum are counted; Resize and element-wise operators
    have none. Raises ImportError without onnx, and ValueError where a shape stays unknown.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.Clear()
                dimension.dim_value = 1
    del model.graph.value_info[:]  # they still contain 'batch'
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    found: Counter[str] = Counter()
    for node in graph.node:
        if node.op_type in _COUNT:
            inputs, output = (
                [shapes.get(n, ()) for n in node.input],
                shapes.get(node.output[0], ()),
            )
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if 0 in output or not inputs[1] or 0 in inputs[0]:
                raise ValueError(
                    f'{path}: the shapes around {node.op_type} {node.name} are unknown'
                )
            found[node.op_type] += _COUNT[node.op_type](inputs, output, attributes)
    return found


def _conv(inputs: list[Shape], output: Shape, _: dict[str, Any]) -> int:
    return math.prod(output) * math.prod(inputs[1][1:])  # weights: (out, in / groups, ...)


def _conv_transpose(inputs: list[Shape], output: Shape, _: dict[str, Any]) -> int:
    return math.prod(inputs[0]) * math.prod(inputs[1][1:])  # weights: (in, out / groups, ...)


def _matmul(inputs: list[Shape], output: Shape, _: dict[str, Any]) -> int:
    return math.prod(output) * inputs[0][-1]


def _gemm(inputs: list[Shape], output: Shape, attributes: dict[str, Any]) -> int:
    return math.prod(output) * inputs[0][0 if attributes.get('transA') else 1]


def _einsum(inputs: list[Shape], output: Shape, attributes: dict[str, Any]) -> int:
    terms = attributes['equation'].decode().replace(' ', '').split('->')[0].split(',')
    size = {
        letter: n
        for term, shape in zip(terms, inputs, strict=True)
        for letter, n in zip(term, shape, strict=True)
    }
    return math.prod(size.values())


_COUNT: dict[str, Callable[[list[Shape], Shape, dict[str, Any]], int]] = {
    'Conv': _conv,
    'ConvTranspose': _conv_transpose,
    'MatMul': _matmul,
    'Gemm': _gemm,
    'Einsum': _einsum,
}
