"""Puts our input and our decoding around the graph of a foreign ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mtscene_ros.models.spec import TensorSpec

AXES_ARE_INPUTS = 18  # of ReduceMax, from this opset on
IMAGE = 'mtscene_rgb'
LOGITS, IDS, METRES = 'logits', 'ids', 'metres'


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a foreign file takes and returns. size_px: height and width; kind: LOGITS, IDS or
    METRES; inverse: scale per metre and shift, where metres are 1 / (scale x + shift)."""

    input: str
    size_px: tuple[int, int]
    output: str
    output_shape: tuple[int, ...]
    kind: str
    opset: int
    inverse: tuple[float, float] | tuple[()] = ()


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


def add_outputs(
    graph: onnx.GraphProto, foreign: Foreign, max_m: float = np.inf
) -> list[TensorSpec]:
    """Puts the decoding behind the graph, at the size of the input; max_m: for what an inverse
    depth says of the horizon."""
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
        if foreign.inverse:
            scale, shift = (nodes.constant(v, np.float32) for v in foreign.inverse)
            at = nodes.add('Add', [nodes.add('Mul', [at, scale]), shift])
            least = nodes.constant(1 / max_m, np.float32)
            at = nodes.add('Reciprocal', [nodes.add('Max', [at, least])])
        nodes.add('Squeeze', [at, one], 'depth')
    elif foreign.kind == IDS:
        plane = nodes.add('Squeeze', [at, one])
        nodes.add('Cast', [plane], 'semantic_labels', to=TensorProto.UINT8)
        sure = nodes.add('Mul', [plane, nodes.constant(0, np.float32)])
        sure = nodes.add('Add', [sure, nodes.constant(255, np.float32)])
        nodes.add('Cast', [sure], 'semantic_confidence', to=TensorProto.UINT8)
    else:
        best = nodes.add('ArgMax', [at], axis=1, keepdims=0)
        nodes.add('Cast', [best], 'semantic_labels', to=TensorProto.UINT8)
        share = nodes.add('Softmax', [at], axis=1)
        most = reduced_max(nodes, share, 1, foreign.opset)
        scaled = nodes.add('Mul', [most, nodes.constant(255, np.float32)])
        rounded = nodes.add('Round', [scaled])
        nodes.add('Cast', [rounded], 'semantic_confidence', to=TensorProto.UINT8)
    graph.node.extend(nodes.nodes)
    if foreign.kind != METRES:
        return labels_specs(graph, foreign.size_px)
    return specs_of(graph, foreign.size_px, {'depth': 'float32'})


def labels_specs(graph: onnx.GraphProto, size_px: tuple[int, int]) -> list[TensorSpec]:
    """Makes labels and confidence the graph's outputs."""
    return specs_of(graph, size_px, {'semantic_labels': 'uint8', 'semantic_confidence': 'uint8'})


def specs_of(
    graph: onnx.GraphProto, size_px: tuple[int, int], kinds: dict[str, str]
) -> list[TensorSpec]:
    del graph.output[:]
    specs = [TensorSpec(name, (-1, *size_px), kind) for name, kind in kinds.items()]
    for spec in specs:
        element = helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        graph.output.append(helper.make_tensor_value_info(spec.name, element, ['n', *size_px]))
    return specs


def reduced_max(nodes: Nodes, at: str, axis: int, opset: int) -> str:
    if opset >= AXES_ARE_INPUTS:
        return nodes.add('ReduceMax', [at, nodes.constant([axis], np.int64)], keepdims=0)
    return nodes.add('ReduceMax', [at], axes=[axis], keepdims=0)


def target_size(nodes: Nodes, at: str, height: int, width: int) -> str:
    """Returns the tensor (N, C, height, width) for Resize; N and C as they come."""
    shape = nodes.add('Shape', [at])
    first = nodes.add(
        'Slice', [shape, nodes.constant([0], np.int64), nodes.constant([2], np.int64)]
    )
    return nodes.add('Concat', [first, nodes.constant([height, width], np.int64)], axis=0)


def expected(raw: NDArray[Any], foreign: Foreign, max_m: float) -> NDArray[Any]:
    """Decodes the original's output with OpenCV, (N, H, W) ids or metres."""
    size = foreign.size_px[::-1]
    planes = raw[:, None] if raw.ndim == 3 else raw
    how = cv2.INTER_NEAREST_EXACT if foreign.kind == IDS else cv2.INTER_LINEAR
    kind = np.uint8 if foreign.kind == IDS else np.float32
    enlarged = np.array(
        [[cv2.resize(p.astype(kind), size, interpolation=how) for p in image] for image in planes]
    )
    if foreign.kind == LOGITS:
        return np.asarray(enlarged.argmax(1))
    if not foreign.inverse:
        return np.asarray(enlarged[:, 0])
    scale, shift = foreign.inverse
    return np.asarray(1 / np.maximum(scale * enlarged[:, 0] + shift, 1 / max_m))


def agreement(got: NDArray[Any], want: NDArray[Any], task: str) -> float:
    """Returns the share of equal labels, or of depths within a thousandth."""
    if task == 'semantic':
        return float((got == want).mean())
    return float((np.abs(got - want) <= 1e-3 * np.abs(want) + 1e-6).mean())
