"""Compares published networks as exported files on ONNX Runtime with plain PyTorch networks.

    python -m benchmarks.published_export invpt_vitb_nyud ... [--threads 2] [--rounds 5]

Weights are random (operations do not depend on them); one image, float32, the same threads, taking
turns. Appends one line of JSON per network to benchmarks/results/published_export.jsonl.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch.utils.flop_counter import FlopCounterMode

from mtscene_ros.backends import BackendOptions, open_backend
from mtscene_ros.backends.machine import machine
from mtscene_ros.models.operations import count_macs
from training.graphs.deploy_published import PublishedGraph, default_camera, published_spec
from training.graphs.onnx_export import current_commit, write_onnx
from training.graphs.simplify import simplified
from training.networks.zoo import PUBLISHED, NetworkConfig, build, build_on_meta

RESULTS = Path(__file__).parent / 'results' / 'published_export.jsonl'


def plain_gmac(config: NetworkConfig) -> float:
    """Counts without memory or arithmetic, because the CPU's fused attention would not be
    counted."""
    network = build_on_meta(config).eval().requires_grad_(False).to('meta')
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, config.height_px, config.width_px, device='meta'))
    return counter.get_total_flops() / 2e9


def seconds(run: Callable[[], Any]) -> float:
    begin_s = time.perf_counter()
    run()
    return time.perf_counter() - begin_s


def measure(name: str, threads: int, rounds: int) -> dict[str, Any]:
    """Measures both in turns; the first round is a warm-up."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    config = PUBLISHED[name]
    network = build(config).eval().requires_grad_(False)
    plain = PublishedGraph(network, config)
    fast = PublishedGraph(simplified(network), config)
    size = (1, config.height_px, config.width_px, 3)
    rgb = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    image = torch.from_numpy(rgb)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.onnx'
        spec = published_spec(fast, name, '1', current_commit(), default_camera(config))
        write_onnx(fast, spec, path)
        exported_gmac = sum(count_macs(path).values()) / 1e9
        backend = open_backend('onnxruntime', str(path), BackendOptions(threads))
        names = [output.name for output in spec.outputs]
        with torch.inference_mode():
            want, found = plain(image), backend.infer(rgb, names)
            turns = [
                (seconds(lambda: plain(image)), seconds(lambda: backend.infer(rgb, names)))
                for _ in range(rounds)
            ]
    eager_s, exported_s = np.array(turns).T
    errors = {n: float(np.abs(want[n].numpy().astype(np.float64) - found[n]).max()) for n in names}
    return {
        'network': name,
        'threads': threads,
        'plain_gmac': round(plain_gmac(config), 1),
        'exported_gmac': round(exported_gmac, 1),
        'eager_s': round(float(np.median(eager_s)), 3),
        'exported_s': round(float(np.median(exported_s)), 3),
        'ratio': round(float(np.median(eager_s / exported_s)), 2),
        'ratios': [round(float(r), 2) for r in eager_s / exported_s],
        'largest_differences': errors,
        'versions': f'torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}',
        'machine': machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('networks', nargs='+', choices=PUBLISHED)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    options = parser.parse_args()
    for name in options.networks:
        row = json.dumps(measure(name, options.threads, options.rounds))
        print(row, flush=True)
        with RESULTS.open('a') as file:
            file.write(row + '\n')


if __name__ == '__main__':
    main()
