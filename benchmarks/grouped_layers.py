"""Compares equal layers of several tasks, separate or as one grouped convolution, on ONNX Runtime.

    python -m benchmarks.grouped_layers [--threads 2] [--rounds 30]

Measures the layers that drive_lite has for each task, at their sizes. Each task has its own map,
so the grouped form also concatenates and splits the maps, as the network would have to.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from mtscene_ros.backends.machine import machine

TASKS = 3
RESULTS = Path(__file__).parent / 'results' / 'grouped_layers.json'
LAYERS = {  # channels in and out, kernel, height, width
    'decode at stride 16': (128, 128, 3, 16, 32),
    'refine at stride 8': (64, 64, 3, 32, 64),
    'refine at stride 4': (48, 48, 3, 64, 128),
    'narrow, 1x1, at stride 16': (128, 64, 1, 16, 32),
}


class Apart(nn.Module):
    """One convolution per task."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2) for _ in range(TASKS)
        )

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        return tuple(f(x).relu() for f, x in zip(self.layers, (a, b, c), strict=True))


class Grouped(nn.Module):
    """The same layers as one convolution with TASKS groups."""

    def __init__(self, apart: Apart) -> None:
        super().__init__()
        first = apart.layers[0]
        assert isinstance(first, nn.Conv2d)
        outputs, inputs, kernel, _ = first.weight.shape
        self.conv = nn.Conv2d(
            TASKS * inputs, TASKS * outputs, kernel, padding=kernel // 2, groups=TASKS
        )
        self.conv.weight.data = torch.cat([f.weight for f in apart.layers])  # type: ignore[misc]
        self.conv.bias.data = torch.cat([f.bias for f in apart.layers])  # type: ignore

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        return self.conv(torch.cat([a, b, c], 1)).relu().chunk(TASKS, 1)


def session_of(
    network: nn.Module, maps: tuple[Tensor, ...], threads: int
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'layer.onnx'
        torch.onnx.export(network, maps, path, dynamo=True, opset_version=18, verbose=False)
        return onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])


def measure(name: str, threads: int, rounds: int) -> dict[str, object]:
    inputs, outputs, kernel, height, width = LAYERS[name]
    torch.manual_seed(0)
    maps = tuple(torch.randn(1, inputs, height, width) for _ in range(TASKS))
    apart = Apart(inputs, outputs, kernel).eval().requires_grad_(False)
    sessions = [session_of(n, maps, threads) for n in (apart, Grouped(apart).eval())]
    feed = {i.name: m.numpy() for i, m in zip(sessions[0].get_inputs(), maps, strict=True)}
    both = [s.run(None, feed) for s in sessions]
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    took_ms = np.empty((2, rounds))
    for k in range(rounds):
        for way, session in enumerate(sessions):
            begin_s = time.perf_counter()
            session.run(None, feed)
            took_ms[way, k] = 1e3 * (time.perf_counter() - begin_s)
    separate_ms, grouped_ms = np.median(took_ms[:, 3:], 1)
    return {
        'layer': name,
        'separate_ms': round(float(separate_ms), 3),
        'grouped_ms': round(float(grouped_ms), 3),
        'grouped_over_separate': round(float(np.median(took_ms[1] / took_ms[0])), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=30)
    options = parser.parse_args()
    rows = [measure(name, options.threads, options.rounds) for name in LAYERS]
    about = {'machine': machine(), 'threads': options.threads, 'rounds': options.rounds}
    text = json.dumps(
        {**about, 'versions': f'ONNX Runtime {onnxruntime.__version__}', 'layers': rows}, indent=1
    )
    RESULTS.write_text(text + '\n')
    print(text)


if __name__ == '__main__':
    main()
