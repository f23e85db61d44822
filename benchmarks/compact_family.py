"""Parameters, MACs and CPU latency of every compact network, as a Markdown table.

    python benchmarks/compact_family.py --threads 2

Weights are random, which does not change latency. MACs are products and convolutions of one image
at the network's own size (torch.utils.flop_counter, halved). Latency is that of the exported model
file on ONNX Runtime's CPU provider: one image, median over --runs runs after --warm-up.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.utils.flop_counter import FlopCounterMode

from training.config import CompactConfig
from training.graphs.deploy import DeployGraph, merge_branches, spec_of
from training.graphs.onnx_export import write_onnx
from training.networks.decoders import compact_network
from training.networks.zoo import COMPACT

OUT = Path(__file__).parent / 'results' / 'compact_family.md'
HEADER = (
    '| Name | Encoder | Decoder | Tasks | Input, px | Parameters, M | MACs, G | Latency, ms |\n'
    '|---|---|---|---|---|---|---|---|'
)


def deployed(config: CompactConfig) -> DeployGraph:
    torch.manual_seed(0)
    network = compact_network(config)
    merge_branches(network.encoder)
    return DeployGraph(network, config).eval()


def giga_macs(config: CompactConfig) -> float:
    """Counts on the meta device, where every attention is counted as its matrix products."""
    network = deployed(config).network.requires_grad_(False).to('meta')
    image = torch.zeros(1, 3, config.height_px, config.width_px, device='meta')
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return counter.get_total_flops() / 2e9


def latency_ms(graph: DeployGraph, threads: int, warm_up: int, runs: int) -> float:
    config = graph.config
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'{config.name}.onnx'
        write_onnx(graph, spec_of(graph, '0', 'benchmark'), path)
        session = onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])
    size = (1, config.height_px, config.width_px, 3)
    rgb = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    found_ms = []
    for _ in range(warm_up + runs):
        begin_s = time.perf_counter()
        session.run(None, {'rgb': rgb})
        found_ms.append(1e3 * (time.perf_counter() - begin_s))
    return float(np.median(found_ms[warm_up:]))


def row(name: str, config: CompactConfig, threads: int, warm_up: int, runs: int) -> str:
    graph = deployed(config)
    millions = sum(p.numel() for p in graph.parameters()) / 1e6
    found_ms = latency_ms(graph, threads, warm_up, runs)
    cells = [
        f'`{name}`',
        f'`{config.encoder}`',
        config.decoder,
        str(len(config.tasks)),
        f'{config.width_px} x {config.height_px}',
        f'{millions:.1f}',
        f'{giga_macs(config):.1f}',
        f'{found_ms:.0f}',
    ]
    return f'| {" | ".join(cells)} |'


def processor() -> str:
    """Returns the processor's model name from Linux."""
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.machine()


def about(threads: int, runs: int, load: float) -> str:
    day = datetime.now(timezone.utc).date().isoformat()
    return (
        f'{day}, {processor()}, {os.cpu_count()} cores, {threads} threads, p50 of {runs} runs, '
        f'one image; load average {load:.1f} at the start (a shared machine: idle it is faster). '
        f'Python {platform.python_version()}, torch {torch.__version__}, timm {version("timm")}, '
        f'ONNX Runtime {onnxruntime.__version__}.'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--warm-up', type=int, default=5)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--out', type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    lines = ['# Compact family', '', about(options.threads, options.runs, load), '', HEADER]
    for name, config in COMPACT.items():
        lines.append(row(name, config, options.threads, options.warm_up, options.runs))
        print(lines[-1], flush=True)
    options.out.write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
