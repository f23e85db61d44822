"""Model files with hostile graphs, into the runtimes that read them."""

from __future__ import annotations

import importlib.util

import onnx
from conftest import tiny_model
from hypothesis import strategies as st

from mtscene_ros.backends import BackendError
from mtscene_ros.backends import BackendOptions as Options
from mtscene_ros.estimator import open_estimator
from mtscene_ros.models.spec import SpecError

from .fuzz_models import onnx_seeds
from .fuzz_target import Target, written

SIZES = st.sampled_from([-1, 0, 1, 2, 2**31 - 1, 2**31, 2**62]) | st.integers(-4, 64)
NAMES = st.sampled_from(['', 'x', 'image', 'depth', 'axis', 'ä', '\0', 'a' * 5000])
OPERATORS = [
    'Identity',
    'Loop',
    'If',
    'Reshape',
    'Expand',
    'Tile',
    'Resize',
    'Pad',
    'Conv',
    'None',
]
TYPES = st.integers(-1, 30)


def graphs() -> st.SearchStrategy[bytes]:
    """The tiny model, one to four things in it changed."""

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        model = tiny_model()
        for _ in range(draw(st.integers(1, 4))):
            CHANGES[draw(st.sampled_from(sorted(CHANGES)))](draw, model.graph)
        model.ir_version = draw(st.sampled_from([model.ir_version] * 9 + [0, 99]))
        return bytes(model.SerializeToString())

    return made()


def change_operator(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    draw(st.sampled_from(list(graph.node))).op_type = draw(st.sampled_from(OPERATORS))


def change_edge(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    """Another tensor's name, which may close a circle."""
    node = draw(st.sampled_from(list(graph.node)))
    end = draw(st.sampled_from([node.input, node.output]))
    end[draw(st.integers(0, len(end) - 1))] = draw(NAMES)


def change_attribute(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    node = draw(st.sampled_from([n for n in graph.node if n.attribute]))
    node.attribute[0].i = draw(SIZES)


def change_value(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    """Shape, type or name of an input or output."""
    value = draw(st.sampled_from([*graph.input, *graph.output]))
    tensor = value.type.tensor_type
    match draw(st.integers(0, 3)):
        case 0 if tensor.shape.dim:
            draw(st.sampled_from(list(tensor.shape.dim))).dim_value = draw(SIZES)
        case 1:
            tensor.shape.dim.add().dim_param = draw(NAMES)
        case 2:
            tensor.elem_type = draw(TYPES)
        case _:
            value.name = draw(NAMES)


def change_weight(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    """Numbers, shape or type of a constant: axes, indices and bounds among them."""
    weight = draw(st.sampled_from([w for w in graph.initializer if w.raw_data]))
    match draw(st.integers(0, 2)):
        case 0:
            weight.raw_data = draw(st.binary(min_size=8, max_size=8)) + weight.raw_data[8:]
        case 1:
            weight.dims.append(draw(SIZES))
        case _:
            weight.data_type = draw(TYPES)


def change_number_of_nodes(draw: st.DrawFn, graph: onnx.GraphProto) -> None:
    at = draw(st.integers(0, len(graph.node) - 1))
    if draw(st.booleans()):
        del graph.node[at]
    else:
        graph.node.add().CopyFrom(graph.node[at])


CHANGES = {
    'operator': change_operator,
    'edge': change_edge,
    'attribute': change_attribute,
    'value': change_value,
    'weight': change_weight,
    'number of nodes': change_number_of_nodes,
}


def run_onnxruntime(data: bytes) -> None:
    run_runtime(data, 'onnxruntime')


def run_openvino(data: bytes) -> None:
    if not importlib.util.find_spec('openvino'):
        raise BackendError('OpenVINO is not installed')
    run_runtime(data, 'openvino')


def run_runtime(data: bytes, backend: str) -> None:
    """The whole way of a model file into a runtime, and an inference."""
    open_estimator(str(written(data, '.onnx')), backend, Options(threads=1)).warm_up()


TARGETS: dict[str, Target] = {
    'onnxruntime': Target(
        onnx_seeds, run_onnxruntime, (BackendError, SpecError), graphs, 6000, 0.2
    ),
    'openvino': Target(onnx_seeds, run_openvino, (BackendError, SpecError), graphs, 6000, 0.05),
}  # fmt: skip
