"""Model files of taught tasks within seconds.

torch's exporter takes longer than everything else about a taught task, and its graph depends on
neither the examples nor their number. So the graph is exported once with keys, values and range as
inputs and is kept in the cache folder (XDG_CACHE_HOME, else ~/.cache); each task of as many
channels then turns these inputs into constants.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import Tensor, nn

from mtscene_ros.models.about import About
from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.models.spec import ModelSpec
from training.graphs.onnx_export import exported, write_with_spec
from training.graphs.taught import TaughtGraph

CODE = ('graphs/taught.py', 'networks/compact_matching.py', 'networks/vtm.py', 'tasks/channels.py')
ROOT = Path(__file__).parents[1]


class OpenGraph(nn.Module):
    """A taught graph of two levels without its examples."""

    def __init__(self, graph: TaughtGraph) -> None:
        super().__init__()
        self.taught = graph

    def forward(
        self, rgb: Tensor, key_0: Tensor, value_0: Tensor, key_1: Tensor, value_1: Tensor,
        line: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        return self.taught.answered(rgb, [(key_0, value_0), (key_1, value_1)], line)


def write_taught(
    graph: TaughtGraph, spec: ModelSpec, path: Path, opset: int, about: About | None
) -> None:
    """Writes the model file of a task that a compact network was taught."""
    kept = cache_folder() / f'{fingerprint(graph, opset)}.onnx'
    model = read(kept)
    if model is None:
        print(f'Exporting the graph, which is kept for later tasks like this one: {kept}')
        model = template(graph, spec, opset)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as partial_file:
            onnx.save(model, partial_file)
    write_with_spec(filled(model, graph, spec), spec, path, about)


def constants(graph: TaughtGraph) -> dict[str, Tensor]:
    """What the examples of a task make of the graph's inputs, in their order."""
    names = ('key_0', 'value_0', 'key_1', 'value_1', 'line')
    return {name: graph.get_buffer(name) for name in names}


def template(graph: TaughtGraph, spec: ModelSpec, opset: int) -> onnx.ModelProto:
    rgb = torch.zeros(2, *spec.input.shape[1:], dtype=torch.uint8)
    tokens = [torch.export.Dim(f'tokens_{level}', min=2, max=2**24) for level in (0, 1)]
    shapes = (
        {0: torch.export.Dim('batch', min=1, max=64)},
        *({2: tokens[level]} for level in (0, 0, 1, 1)),
        None,
    )
    inputs = {spec.input.name: rgb, **constants(graph)}
    with warnings.catch_warnings():
        # Keys and values of a level are equally many, and one name is enough for that.
        warnings.filterwarnings('ignore', '# The axis name', UserWarning)
        return exported(OpenGraph(graph).eval(), inputs, shapes, spec, opset)


def filled(model: onnx.ModelProto, graph: TaughtGraph, spec: ModelSpec) -> onnx.ModelProto:
    """The inputs that the examples determine become constants; outputs get the task's names."""
    used = {name for node in model.graph.node for name in node.input}
    for name, value in constants(graph).items():
        if name in used:
            tensor = onnx.numpy_helper.from_array(value.numpy(), name)
            model.graph.initializer.append(tensor)
    images = [entry for entry in model.graph.input if entry.name == spec.input.name]
    del model.graph.input[:]
    model.graph.input.extend(images)
    names = {old.name: new.name for old, new in zip(model.graph.output, spec.outputs, strict=True)}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in model.graph.output:
        output.name = names[output.name]
    return model


def read(path: Path) -> onnx.ModelProto | None:
    """None where there is none, or a damaged one."""
    try:
        return onnx.load(path) if path.is_file() else None
    except DecodeError:
        return None


def fingerprint(graph: TaughtGraph, opset: int) -> str:
    """Changes with everything that the graph depends on but the examples."""
    about = (graph.windows, graph.task.channels, bool(graph.task.classes), graph.task.logarithmic)
    found = hashlib.sha256(repr((about, opset, torch.__version__)).encode())
    for name in CODE:
        found.update((ROOT / name).read_bytes())
    for name, value in graph.network.state_dict().items():
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()[:24]


def cache_folder() -> Path:
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mtscene_taught'
