"""Compares a trained network in float16 with itself in float32 on generated and real images.

    python -m benchmarks.half_precision [MODEL.onnx] [--real FOLDER_OR_BAG ...] -o TABLE.md
    python -m benchmarks.half_precision --backend onnxruntime_cuda ...   on a GPU with float16

MODEL is a float32 file of `training.export` or a checkpoint (.pt); default: the bundled model.
Every float16 operator is computed in float32 and its result rounded (`Rounding`), as tensor cores
do, and the operations of each precision are counted. Torch's own float16 on a CPU is as close:
depth p99 is 0.0037 and 0.0036 on two photographs, here 0.0035 and 0.0038. ONNX Runtime's CPU
provider computes a float16 graph in float32 and would show the effect of rounded weights only.
Kernels of a GPU may sum in another order: --backend exports both graphs and runs them there. The
boxes compared are those that the node would publish, above its default score.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import flop_registry

from mtscene_ros.backends import BACKENDS, BackendOptions
from mtscene_ros.backends.cuda import gpu_name
from mtscene_ros.backends.machine import machine
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.evaluate.scores.agreement import agreement, table
from mtscene_ros.models.catalogue import BUNDLED_MODEL
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds import FRAMES
from training.graphs.deploy import DeployGraph, spec_of
from training.graphs.onnx_export import current_commit, write_onnx
from training.graphs.own_images import frames_of
from training.graphs.precision import halved
from training.scores.comparisons import torch_estimator
from training.weights.model_weights import graph_from_model
from training.weights.weight_files import graph_from_checkpoint

MIN_SCORE, SAME_IOU = 0.3, 0.9
MOVES = {'_to_copy', 'clone', 'copy_', 'cat'}  # operators that compute nothing, besides views


class Rounding(TorchDispatchMode):
    """Runs float16 operators in float32 and rounds their results once; macs: counts by
    precision."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = {'fp16': 0, 'fp32': 0}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named, name = dict(kwargs or {}), func.overloadpacket.__name__
        if func.is_view or name in MOVES or not is_all_half((args, named)):
            return self.counted(func, 'fp32', args, named)
        found = self.counted(func, 'fp16', tree_map(widened, args), tree_map(widened, named))
        # in-place operators change the float16 tensor, not its float32 copy
        if name.endswith('_'):
            return args[0].copy_(found)
        return tree_map(narrowed, found)

    def counted(self, func: Any, kind: str, args: Any, named: dict[str, Any]) -> Any:
        found = func(*args, **named)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.macs[kind] += count(*args, **named, out_val=found) // 2
        return found


def is_all_half(values: Any) -> bool:
    """Tells whether the result is float16: one float32 tensor that is not a scalar makes it
    float32."""
    tensors: list[Tensor] = []
    tree_map(lambda v: tensors.append(v) if isinstance(v, Tensor) else None, values)
    wide = any(t.dtype == torch.float32 and t.ndim for t in tensors)
    return any(map(is_half, tensors)) and not wide


def is_half(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float16


def widened(value: Any) -> Any:
    return value.float() if is_half(value) else value


def narrowed(value: Any) -> Any:
    is_float = isinstance(value, Tensor) and value.dtype == torch.float32
    return value.half() if is_float else value


class RoundedGraph(nn.Module):
    """Runs a graph with float16 computed in this way."""

    def __init__(self, graph: DeployGraph) -> None:
        super().__init__()
        self.graph, self.network, self.config = graph, graph.network, graph.config

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        with Rounding():
            found: dict[str, Tensor] = self.graph(rgb)
        return found


def share_of_half(graph: DeployGraph) -> float:
    """Returns the float16 share of the multiplications for one image."""
    rgb = torch.zeros(1, graph.config.height_px, graph.config.width_px, 3, dtype=torch.uint8)
    with torch.no_grad(), Rounding() as rounding:
        graph(rgb)
    return rounding.macs['fp16'] / sum(rounding.macs.values())


def generated(count: int) -> list[CameraFrame]:
    frames = (FRAMES['drive'](901, index, 1024, 512) for index in range(count))
    return [CameraFrame(f.rgb, f.intrinsics, 0, 'camera') for f in frames]


def exported(graph: DeployGraph, backend: str) -> SceneEstimator:
    """Exports the graph to a file and opens it with one of our backends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.onnx'
        write_onnx(graph, spec_of(graph, '0', current_commit()), path)
        return open_estimator(str(path), backend, BackendOptions())


def graph_of(path: Path) -> DeployGraph:
    return graph_from_model(path) if path.suffix == '.onnx' else graph_from_checkpoint(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', type=Path, nargs='?', default=Path(BUNDLED_MODEL))
    parser.add_argument('--real', type=Path, nargs='*', default=[])
    parser.add_argument('--frames', type=int, default=60, help='images of each source')
    parser.add_argument(
        '--backend', choices=BACKENDS, help='backend to run on; default: rounding in torch'
    )
    parser.add_argument('-o', '--out', type=Path, required=True)
    options = parser.parse_args()
    plain = graph_of(options.model)
    half = DeployGraph(halved(plain.network), plain.config).eval()
    if options.backend:
        reference, other = (exported(graph, options.backend) for graph in (plain, half))
        where = ', '.join(filter(None, (gpu_name(), other.backend.description)))
    else:
        cpu, where = torch.device('cpu'), 'torch'
        reference, other = torch_estimator(plain, cpu), torch_estimator(RoundedGraph(half), cpu)
    sources = {'generated, seed 901': generated(options.frames)}
    for path in options.real:
        sources[path.name] = frames_of(path, options.frames)
    lines = [f'# {plain.config.name} in float16 against float32', '']
    lines += [f'{machine()}; {where}. {share_of_half(half):.1%} of the operations in float16.', '']
    for name, frames in sources.items():
        found = agreement(reference, other, frames, SAME_IOU, MIN_SCORE)
        lines += [f'## {name}: {len(frames)} images', '', table(found)]
        print('\n'.join(lines[-3:]), flush=True)
    options.out.write_text('\n'.join(lines))


if __name__ == '__main__':
    main()
