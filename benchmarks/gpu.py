"""Measures an NVIDIA GPU: its limits, our CUDA layer, networks in PyTorch and ONNX Runtime.

    python -m benchmarks.gpu drive_lite taskprompter_vitb_pascal -o benchmarks/results/gpu

The variants of each network take turns. A run goes from one uint8 batch in host memory to every
output in host memory. Weights are random, because the operations do not depend on them. Floor: the
larger of 2 x MAC / measured peak of the precision and bytes to be moved / measured bandwidth. ONNX
Runtime's rows need onnxruntime-gpu. `--device cpu` tests the harness without a GPU.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_ceilings import ceilings, gpu_name
from benchmarks.gpu_layer import layer, tensorrt_attempt
from mtscene_ros.backends import BackendError, BackendOptions, open_backend
from mtscene_ros.models.operations import count_macs
from mtscene_ros.models.spec import ModelSpec
from training.config import CONFIGS
from training.graphs.deploy import DeployGraph, spec_of
from training.graphs.deploy_published import PublishedGraph, default_camera, published_spec
from training.graphs.onnx_export import current_commit, write_onnx
from training.graphs.precision import halved, halved_published
from training.graphs.simplify import simplified
from training.networks.decoders import compact_network
from training.networks.zoo import PUBLISHED, build

Run = Callable[[], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Graphs:
    """plain: float32 as published; fast: simplified; half: simplified in float16."""

    plain: nn.Module
    fast: nn.Module
    half: nn.Module
    spec: ModelSpec


def graphs_of(name: str) -> Graphs:
    torch.manual_seed(0)
    if name in PUBLISHED:
        config = PUBLISHED[name]
        network = build(config).eval().requires_grad_(False)
        fewer = simplified(network)
        plain, fast, half = (
            PublishedGraph(each, config).eval()
            for each in (network, fewer, halved_published(fewer))
        )
        spec = published_spec(fast, name, '0', current_commit(), default_camera(config))
        return Graphs(plain, fast, half, spec)
    compact = CONFIGS[name]
    bare = compact_network(compact).eval().requires_grad_(False)
    graph = DeployGraph(bare, compact).eval()
    spec = spec_of(graph, '0', current_commit())
    return Graphs(graph, graph, DeployGraph(halved(bare), compact).eval(), spec)


def in_torch(graph: nn.Module, rgb: np.ndarray, device: str, *, is_compiled: bool = False) -> Run:
    """Runs from pinned memory to the GPU and back; is_compiled: with torch.compile and CUDA
    graphs."""
    fast: Callable[[Tensor], dict[str, Tensor]] = copy.deepcopy(graph).to(device)
    if is_compiled:
        fast = torch.compile(fast, mode='reduce-overhead' if device == 'cuda' else 'default')
    host = torch.from_numpy(rgb)
    pinned = host.pin_memory() if device == 'cuda' else host

    def run() -> dict[str, Tensor]:
        with torch.inference_mode():
            found = fast(pinned.to(device, non_blocking=True))
            return {name: value.cpu() for name, value in found.items()}

    return run


def on_runtime(path: Path, rgb: np.ndarray, backend: str) -> Run:
    opened = open_backend(backend, str(path), BackendOptions())
    names = [name for name in opened.tensors if name != 'rgb']
    return lambda: opened.infer(rgb, names)


def variants(
    graphs: Graphs, rgb: np.ndarray, device: str, folder: Path
) -> dict[str, Callable[[], Run]]:
    """Returns by name, which ends with the precision, a function that prepares the variant."""
    backend = 'onnxruntime_cuda' if device == 'cuda' else 'onnxruntime'
    files = {p: folder / f'{p}.onnx' for p in ('fp32', 'fp16')}
    write_onnx(graphs.fast, graphs.spec, files['fp32'])
    write_onnx(graphs.half, graphs.spec, files['fp16'])
    found: dict[str, Callable[[], Run]] = {
        'torch eager, plain, fp32': lambda: in_torch(graphs.plain, rgb, device),
        'torch eager, fp16': lambda: in_torch(graphs.half, rgb, device),
        'torch compile + CUDA graphs, fp16': lambda: in_torch(
            graphs.half, rgb, device, is_compiled=True
        ),
        f'{backend}, fp32': lambda: on_runtime(files['fp32'], rgb, backend),
        f'{backend}, fp16': lambda: on_runtime(files['fp16'], rgb, backend),
    }
    return found


def measured(ready: dict[str, Run], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Returns the milliseconds of every run. Variants take turns of `seconds`, so that other load
    affects all alike."""
    samples: dict[str, list[float]] = {name: [] for name in ready}
    for number in range(rounds + 1):
        for name, run in ready.items():
            end_s = time.perf_counter() + seconds
            while time.perf_counter() < end_s:
                begin_s = time.perf_counter()
                run()
                if number:  # the first round warms up
                    samples[name].append(1e3 * (time.perf_counter() - begin_s))
    return samples


def bytes_moved(graph: nn.Module, spec: ModelSpec, batch: int) -> int:
    """Returns the bytes of the weights plus those of input and outputs."""
    weights = sum(p.numel() * p.element_size() for p in graph.parameters())
    tensors = (spec.input, *spec.outputs)
    each = sum(int(np.prod(t.shape[1:])) * np.dtype(t.dtype).itemsize for t in tensors)
    return weights + batch * each


def of_network(
    name: str, batch: int, device: str, peaks: dict[str, float], rounds: int
) -> dict[str, Any]:
    graphs = graphs_of(name)
    size = (batch, graphs.spec.height_px, graphs.spec.width_px, 3)
    rgb = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    rows: dict[str, Any] = {}
    ready: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = variants(graphs, rgb, device, folder)
        gmac = sum(count_macs(folder / 'fp32.onnx').values()) / 1e9
        for variant, make in made.items():
            begin_s = time.perf_counter()
            try:
                ready[variant] = make()
                ready[variant]()
            except (BackendError, RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
                ready.pop(variant, None)
                rows[variant] = {'failed': ' '.join(str(error).split())[:300]}
                continue
            rows[variant] = {'ready_s': round(time.perf_counter() - begin_s, 1)}
        for variant, ms in measured(ready, rounds, 1.0).items():
            weights = graphs.half if variant.endswith('fp16') else graphs.fast
            moved = bytes_moved(weights, graphs.spec, batch)
            floor_ms = floor(peaks, variant[-4:], gmac * batch, moved)
            p50, p95, p99 = np.percentile(ms, (50, 95, 99)).tolist()
            rows[variant] |= {'p50_ms': p50, 'p95_ms': p95, 'p99_ms': p99, 'runs': len(ms)}
            rows[variant] |= {'floor_ms': floor_ms, 'share_of_floor': floor_ms / p50}
    return {'network': name, 'batch': batch, 'gmac': gmac, 'variants': rows}


def floor(peaks: dict[str, float], precision: str, gmac: float, moved: int) -> float:
    """Returns milliseconds."""
    arithmetic_ms = 2 * gmac / peaks[f'{precision}_tflops']
    return max(arithmetic_ms, moved / peaks['copy_gb_per_s'] / 1e6)


def table(result: dict[str, Any]) -> str:
    """Formats the result as Markdown."""
    lines = [f'# {result["gpu"]}', '', f'{result["versions"]}; {result["date"]}.', '']
    lines += [f'- {name}: {value:.4g}' for name, value in result['ceilings'].items()]
    lines += [f'- {name}: {value}' for name, value in result['layer'].items()]
    columns = 'network', 'batch', 'variant', 'ready, s', 'p50, ms', 'p99, ms', 'floor, ms'
    lines += ['', f'| {" | ".join(columns)} | floor / p50 |', f'|{"---|" * 8}']
    for row in result['networks']:
        for variant, of in row['variants'].items():
            head = f'| {row["network"]} | {row["batch"]} | {variant} |'
            if 'failed' in of:
                lines.append(f'{head} {of["failed"]} | | | | |')
                continue
            numbers = f'{of["p50_ms"]:.2f} | {of["p99_ms"]:.2f} | {of["floor_ms"]:.3f}'
            share = f'{100 * of["share_of_floor"]:.0f} %'
            lines.append(f'{head} {of["ready_s"]} | {numbers} | {share} |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('networks', nargs='+', choices=sorted({*CONFIGS, *PUBLISHED}))
    parser.add_argument('--batches', type=int, nargs='+', default=[1])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    parser.add_argument(
        '-o', '--out', type=Path, required=True, help='path without suffix for .json and .md'
    )
    options = parser.parse_args()
    peaks = ceilings(options.device)
    result: dict[str, Any] = {
        'gpu': gpu_name(options.device),
        'date': time.strftime('%Y-%m-%d'),
        'versions': versions(),
        'ceilings': peaks,
        'layer': layer(options.device) | tensorrt_attempt(),
        'networks': [],
    }
    for name in options.networks:
        for batch in options.batches:
            result['networks'].append(
                of_network(name, batch, options.device, peaks, options.rounds)
            )
            options.out.with_suffix('.json').write_text(json.dumps(result, indent=1) + '\n')
            options.out.with_suffix('.md').write_text(table(result))
    print(table(result))


def versions() -> str:
    import onnxruntime

    cuda = f', CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}'
    return f'torch {torch.__version__}{cuda}, ONNX Runtime {onnxruntime.__version__}'


if __name__ == '__main__':
    main()
