"""Converts opset 18 to 17 for the parser of TensorRT 8.6 (JetPack 5 and 6.0), which ends there.

torch.onnx writes only opset 18 and higher, and the onnx package's own converter refuses Split and
axes that come from a Constant. According to ONNX's change log our graphs differ in four operators
between the two opsets.
"""

from __future__ import annotations

import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

FROM, TO = 18, 17
IR_VERSION = 8  # current when opset 17 was released
# Their axes were an attribute before opset 18; ReduceSum's have been an input since 13.
REDUCTIONS = {f'Reduce{kind}' for kind in ('Max', 'Mean', 'Min', 'Prod', 'L1', 'L2', 'LogSum')}
REDUCTIONS |= {'ReduceLogSumExp', 'ReduceSumSquare'}


def lowered(model: ModelProto) -> ModelProto:
    """Lowers the graph to opset 17, in place. Raises ValueError if it needs a later one."""
    version = model.opset_import[0].version
    if version != FROM:
        raise ValueError(f'The graph has opset {version}; export it at {FROM}, then lower it.')
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == 'Constant':
            constants[node.output[0]] = node.attribute[0].t
    for node in model.graph.node:
        if node.op_type in REDUCTIONS:
            axes_to_attribute(node, constants)
        elif node.op_type == 'Split':
            drop(node, 'num_outputs', expected=len(node.output))
        elif node.op_type == 'Resize':
            drop(node, 'antialias', expected=0)
            drop(node, 'keep_aspect_ratio_policy', expected=b'stretch')
            refuse(node, 'axes' in {a.name for a in node.attribute})
        elif node.op_type == 'Pad':
            refuse(node, len(node.input) > 3)
    model.opset_import[0].version, model.ir_version = TO, IR_VERSION
    return model


def axes_to_attribute(node: NodeProto, constants: dict[str, onnx.TensorProto]) -> None:
    if len(node.input) < 2:
        return
    axes = constants.get(node.input[1])
    if axes is None:
        raise ValueError(
            f'The axes of {node.op_type} {node.name} are computed; opset {TO} needs constant axes.'
        )
    node.attribute.append(helper.make_attribute('axes', numpy_helper.to_array(axes).tolist()))
    del node.input[1:]
    drop(node, 'noop_with_empty_axes', expected=0)


def drop(node: NodeProto, name: str, expected: int | bytes) -> None:
    """Removes an attribute that has the expected value. Raises ValueError if it has another."""
    for attribute in node.attribute:
        if attribute.name == name:
            refuse(node, helper.get_attribute_value(attribute) != expected)
            node.attribute.remove(attribute)
            return


def refuse(node: NodeProto, is_new: bool) -> None:
    if is_new:
        raise ValueError(
            f'{node.op_type} {node.name} needs opset {FROM}; opset {TO} lacks what it uses.'
        )
