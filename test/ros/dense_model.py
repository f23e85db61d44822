"""The tiny model with every task that there is, and two of a user's own."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from conftest import H, W, class_options, tiny_model, tiny_spec
from onnx import TensorProto, helper

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.models.spec import METADATA_KEY

STEPS = [  # R, G, B: (n, H, W) floats of the tiny model
    ('Div', 'R 255', 'boundary'),
    ('Div', 'B 255', 'saliency'),
    ('Identity', 'boundary', 'wetness'),
    ('Identity', 'semantic_labels', 'walkable_labels'),
    ('Identity', 'semantic_confidence', 'walkable_confidence'),
    ('Identity', 'semantic_labels', 'human_parts_labels'),
    ('Identity', 'semantic_confidence', 'human_parts_confidence'),
    *[('Unsqueeze', f'{c} axis', f'{c}4') for c in 'RGB'],
    ('Concat', 'R4 G4 B4', 'normals'),
]
TENSORS = {
    'boundary': (TensorProto.FLOAT, 'float32', (H, W)),
    'saliency': (TensorProto.FLOAT, 'float32', (H, W)),
    'wetness': (TensorProto.FLOAT, 'float32', (H, W)),
    'walkable_labels': (TensorProto.UINT8, 'uint8', (H, W)),
    'walkable_confidence': (TensorProto.UINT8, 'uint8', (H, W)),
    'human_parts_labels': (TensorProto.UINT8, 'uint8', (H, W)),
    'human_parts_confidence': (TensorProto.UINT8, 'uint8', (H, W)),
    'normals': (TensorProto.FLOAT, 'float32', (3, H, W)),
}
TASKS = {
    'boundary': {},
    'saliency': {},
    'human_parts': {'classes': class_options(DRIVE_BOXES)},
    'normals': {'signs': [1.0, 1.0, -1.0]},
    'wetness': {'kind': 'values'},
    'walkable': {'kind': 'labels', 'classes': class_options(DRIVE_BOXES)},
}


def write(path: Path) -> str:
    """Normals are (R, G, B), before signs and length."""
    model, spec = tiny_model(), json.loads(tiny_spec().to_json())
    for op, inputs, output in STEPS:
        attributes = {'axis': 1} if op == 'Concat' else {}
        model.graph.node.append(helper.make_node(op, inputs.split(), [output], **attributes))
    for name, (kind, dtype, shape) in TENSORS.items():
        model.graph.output.append(helper.make_tensor_value_info(name, kind, ['n', *shape]))
        spec['outputs'].append({'name': name, 'shape': [-1, *shape], 'dtype': dtype})
    spec['tasks'] |= TASKS
    helper.set_model_props(model, {METADATA_KEY: json.dumps(spec)})
    onnx.save(model, path)
    return str(path)
