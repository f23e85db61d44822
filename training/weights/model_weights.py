"""Restores a compact network from its model file, because the bundled model has no checkpoint.

In the file batch norms are folded into the convolutions and linear layers are transposed. The
restored network keeps this form and gives the file's outputs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from mtscene_ros.models.spec import METADATA_KEY, spec_from_json
from training.config import CONFIGS, CompactConfig
from training.graphs.deploy import DeployGraph, differences, merge_branches
from training.graphs.precision import fold_norms
from training.networks.decoders import compact_network

Arrays = dict[str, NDArray[np.float32]]
TOLERANCE = 1e-3  # for depth in metres and box codes; labels and confidence are rounded
PREFIX, BIAS = 'network.', '.bias'


def graph_from_model(path: Path, config: CompactConfig | None = None) -> DeployGraph:
    """Restores the graph; config: by default that of the model's name. Raises ValueError for a
    file of another network or precision, or one that `training.export` did not write."""
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    name = spec_from_json(metadata.get(METADATA_KEY), str(path)).name
    if config is None and name not in CONFIGS:
        raise ValueError(f'{path} is a {name}; only {", ".join(CONFIGS)} can be restored.')
    config = config or CONFIGS[name]
    network = compact_network(config)
    merge_branches(network.encoder)
    fold_norms(network.eval())
    network.load_state_dict(parameters(model, network.state_dict(), path))
    graph = DeployGraph(network, config).eval()
    check_same(graph, path)
    return graph


def parameters(model: onnx.ModelProto, wanted: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Returns the file's constants under the network's names. Raises ValueError if one is
    missing."""
    constants = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    linear = linear_weights(model, constants)
    found = {}
    for name, like in wanted.items():
        key = PREFIX + name
        folded = key.removesuffix(BIAS) + '.weight_bias'
        value = linear.get(key, constants.get(key, constants.get(folded)))
        if value is None:  # the exporter reshaped and renamed this constant
            same = [v for k, v in constants.items() if PREFIX not in k and v.size == like.numel()]
            value = same[0] if len(same) == 1 else None
        if value is None or value.size != like.numel():
            raise ValueError(
                f'{path} has no {key} of shape {tuple(like.shape)}; give a float32 file that '
                '`training.export` made of this configuration.'
            )
        found[name] = torch.from_numpy(value.copy()).reshape(like.shape)
    return found


def linear_weights(model: onnx.ModelProto, constants: Arrays) -> Arrays:
    """Finds x @ constant + NAME.bias, whose constant is the transpose of NAME.weight."""
    sums = {
        name: node for node in model.graph.node for name in node.input if node.op_type == 'Add'
    }
    found = {}
    for node in model.graph.node:
        if node.op_type != 'MatMul' or node.input[1] not in constants:
            continue
        added = sums.get(node.output[0])
        for name in added.input if added else ():
            if name.endswith(BIAS) and name in constants:
                found[name.removesuffix(BIAS) + '.weight'] = constants[node.input[1]].T
    return found


def check_same(graph: DeployGraph, path: Path) -> None:
    """Raises ValueError if network and file disagree on an image."""
    size = (1, graph.config.height_px, graph.config.width_px, 3)
    rgb = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    for name, apart in differences(graph, path, rgb).items():
        if (
            not name.endswith(('_labels', '_confidence')) and apart > TOLERANCE
        ):  # these outputs are rounded
            raise ValueError(f'{path} and the restored network differ by {apart:.2g} in {name}.')
