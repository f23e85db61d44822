"""Puts our input and our decoding around the graph of a foreign ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mtscene_ros.models.spec import TensorSpec

AXES_ARE_INPUTS = 18  # of ReduceMax, from this opset on
IMAGE = 'mtscene_rgb'
LOGITS, IDS, METRES = 'logits', 'ids', 'metres'


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a foreign file takes and returns. size_px: height and width; kind: LOGITS, IDS or
    METRES."""

    input: str
    size_px: tuple[int, int]
    output: str
    output_shape: tuple[int, ...]
    kind: str
    opset: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the foreign model wants its pixels: (rgb / 255 * white - mean) / std, blue first if
    bgr; mean and std are those of red, green and blue."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: float
    bgr: bool


class Nodes:
    """Appends nodes and constants to a graph, under names of their own."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph, self.nodes, self.count = graph, [], 0  # type: ignore[var-annotated]

    def constant(self, values: Any, dtype: type) -> str:
        self.count += 1
        name = f'mtscene_constant_{self.count}'
        self.graph.initializer.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str = '', **attributes: Any) -> str:
        self.count += 1
        output = output or f'mtscene_{self.count}'
        self.nodes.append(
            helper.make_node(kind, inputs, [output], f'mtscene_{kind}_{self.count}', **attributes)
        )
        return output


def add_input(graph: onnx.GraphProto, foreign: Foreign, pixels: Pixels) -> None:
    """Puts uint8 RGB and the normalisation before the graph."""
    nodes = Nodes(graph)
    at = nodes.add('Cast', [IMAGE], to=TensorProto.FLOAT)
    at = nodes.add('Transpose', [at], perm=[0, 3, 1, 2])
    mean, std = np.array(pixels.mean, np.float32), np.array(pixels.std, np.float32)
    if pixels.bgr:
        at = nodes.add('Gather', [at, nodes.constant([2, 1, 0], np.int64)], axis=1)
        mean, std = mean[::-1], std[::-1]
    scale = pixels.white / 255 / std
    at = nodes.add('Mul', [at, nodes.constant(scale.reshape(1, 3, 1, 1), np.float32)])
    shift = nodes.constant((mean / std).reshape(1, 3, 1, 1), np.float32)
    nodes.add('Sub', [at, shift], foreign.input)
    before = [*nodes.nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(before)
    kept = [v for v in graph.input if v.name != foreign.input]
    del graph.input[:]
    shape: list[str | int | None] = ['n', *foreign.size_px, 3]
    graph.input.extend([helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, shape), *kept])


def add_outputs(graph: onnx.GraphProto, foreign: Foreign) -> list[TensorSpec]:
    """Puts the decoding behind the graph, at the size of the input."""
    nodes, (height, width) = Nodes(graph), foreign.size_px
    nodes.count = 1000  # names after those of the input
    at = foreign.output
    if len(foreign.output_shape) == 3:
        at = nodes.add('Unsqueeze', [at, nodes.constant([1], np.int64)])
    if foreign.kind == IDS:
        at = nodes.add('Cast', [at], to=TensorProto.FLOAT)
    mode = 'nearest' if foreign.kind == IDS else 'linear'
    at = nodes.add('Resize', [at, '', '', target_size(nodes, at, height, width)], mode=mode,
                   coordinate_transformation_mode='half_pixel')  # fmt: skip
    one = nodes.constant([1], np.int64)
    if foreign.kind == METRES:
        outputs = {'depth': nodes.add('Squeeze', [at, one], 'depth')}
    elif foreign.kind == IDS:
        plane = nodes.add('Squeeze', [at, one])
        nodes.add('Cast', [plane], 'semantic_labels', to=TensorProto.UINT8)
        sure = nodes.add('Mul', [plane, nodes.constant(0, np.float32)])
        sure = nodes.add('Add', [sure, nodes.constant(255, np.float32)])
        nodes.add('Cast', [sure], 'semantic_confidence', to=TensorProto.UINT8)
        outputs = dict.fromkeys(('semantic_labels', 'semantic_confidence'), '')
    else:
        best = nodes.add('ArgMax', [at], axis=1, keepdims=0)
        nodes.add('Cast', [best], 'semantic_labels', to=TensorProto.UINT8)
        share = nodes.add('Softmax', [at], axis=1)
        most = (
            nodes.add('ReduceMax', [share, one], keepdims=0)
            if foreign.opset >= AXES_ARE_INPUTS
            else nodes.add('ReduceMax', [share], axes=[1], keepdims=0)
        )
        scaled = nodes.add('Mul', [most, nodes.constant(255, np.float32)])
        rounded = nodes.add('Round', [scaled])
        nodes.add('Cast', [rounded], 'semantic_confidence', to=TensorProto.UINT8)
        outputs = dict.fromkeys(('semantic_labels', 'semantic_confidence'), '')
    graph.node.extend(nodes.nodes)
    del graph.output[:]
    kind = 'float32' if foreign.kind == METRES else 'uint8'
    specs = [TensorSpec(name, (-1, height, width), kind) for name in outputs]
    for spec in specs:
        element = helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        graph.output.append(
            helper.make_tensor_value_info(spec.name, element, ['n', height, width])
        )
    return specs


def target_size(nodes: Nodes, at: str, height: int, width: int) -> str:
    """Returns the tensor (N, C, height, width) for Resize; N and C as they come."""
    shape = nodes.add('Shape', [at])
    first = nodes.add(
        'Slice', [shape, nodes.constant([0], np.int64), nodes.constant([2], np.int64)]
    )
    return nodes.add('Concat', [first, nodes.constant([height, width], np.int64)], axis=0)
