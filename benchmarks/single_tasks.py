"""Compares one compact multi-task network with three single-task networks: operations, latency.

    python -m benchmarks.single_tasks [--threads 2] [--rounds 10]

All run at 384x768 with random weights (which change neither), in float32, on ONNX Runtime's CPU
provider, taking turns. The single-task networks follow their papers' architectures with timm's
encoders:
- segmentation: SegFormer-B0's all-MLP decoder (Xie et al., NeurIPS 2021, section 3.2) on PVTv2-B0
  (timm has no MiT-B0; both have 3.3 to 3.7 M parameters and the same attention with fewer keys);
- depth: Depth Anything V2 Small (Yang et al., NeurIPS 2024): DINOv2 ViT-S/14 with a DPT decoder
  (Ranftl et al., ICCV 2021, section 3.2), at 378x756, the nearest multiple of 14;
- 3D boxes: SMOKE (Liu et al., CVPRW 2020): DLA-34 with an up-sampling path, two heads at stride 4.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import training  # noqa: F401  (must precede timm, see training/torchvision_cpu.py)

# isort: split
import timm

from mtscene_ros.backends.machine import machine
from training.config import CONFIGS
from training.graphs.deploy import DeployGraph
from training.networks.decoders import compact_network

HEIGHT_PX, WIDTH_PX = 384, 768
CLASSES = 19
RESULTS = Path(__file__).parent / 'results' / 'single_tasks.json'


class SegFormerB0(nn.Module):
    """(B, 3, H, W) → labels (B, H/4, W/4)."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.encoder = timm.create_model('pvt_v2_b0', features_only=True, pretrained=False)
        channels = self.encoder.feature_info.channels()
        self.project = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.fuse = nn.Sequential(
            nn.Conv2d(4 * width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.classify = nn.Conv2d(width, CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        levels = self.encoder(image)
        size = levels[0].shape[2:]
        maps = [
            F.interpolate(project(level), size, mode='bilinear')
            for project, level in zip(self.project, levels, strict=True)
        ]
        return self.classify(self.fuse(torch.cat(maps, 1))).argmax(1)


class Residual(nn.Module):
    """DPT's residual convolution unit."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


class DepthAnythingSmall(nn.Module):
    """(B, 3, 378, 756) → depth (B, 1, 378, 756)."""

    def __init__(self, width: int = 64, outs: tuple[int, ...] = (48, 96, 192, 384)) -> None:
        super().__init__()
        self.encoder = timm.create_model(
            'vit_small_patch14_dinov2', img_size=(378, 756), features_only=True, pretrained=False,
            out_indices=(2, 5, 8, 11),
        )  # fmt: skip
        self.project = nn.ModuleList(nn.Conv2d(384, n, 1) for n in outs)
        self.resize = nn.ModuleList(
            [
                nn.ConvTranspose2d(outs[0], outs[0], 4, 4),
                nn.ConvTranspose2d(outs[1], outs[1], 2, 2),
                nn.Identity(),
                nn.Conv2d(outs[3], outs[3], 3, 2, 1),
            ]
        )
        self.narrow = nn.ModuleList(nn.Conv2d(n, width, 3, 1, 1, bias=False) for n in outs)
        self.skip = nn.ModuleList(Residual(width) for _ in outs)
        self.mix = nn.ModuleList(Residual(width) for _ in outs)
        self.out = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in outs)
        self.head = nn.Sequential(nn.Conv2d(width, width // 2, 3, 1, 1))
        self.last = nn.Sequential(
            nn.Conv2d(width // 2, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU()
        )

    def forward(self, image: Tensor) -> Tensor:
        levels = [
            narrow(resize(project(level)))
            for narrow, resize, project, level in zip(
                self.narrow, self.resize, self.project, self.encoder(image), strict=True
            )
        ]
        x: Tensor | None = None
        for k in (3, 2, 1, 0):
            x = self.skip[k](levels[k]) if x is None else x + self.skip[k](levels[k])
            x = self.mix[k](x)
            size = levels[k - 1].shape[2:] if k else (2 * x.shape[2], 2 * x.shape[3])
            x = F.interpolate(self.out[k](x), size, mode='bilinear', align_corners=True)
        assert x is not None
        full = F.interpolate(self.head(x), image.shape[2:], mode='bilinear', align_corners=True)
        y: Tensor = self.last(full)
        return y


class Smoke(nn.Module):
    """(B, 3, H, W) → heat (B, 3, H/4, W/4) and code (B, 8, H/4, W/4)."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.encoder = timm.create_model(
            'dla34', features_only=True, pretrained=False, out_indices=(-4, -3, -2, -1)
        )
        channels = self.encoder.feature_info.channels()  # strides 4 to 32
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, a, 3, 1, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU())
            for a, b in pairwise(channels)
        )

        def head(outputs: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(channels[0], width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, outputs, 1)
            )

        self.heat, self.box_code = head(3), head(8)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        levels = self.encoder(image)
        x = levels[-1]
        for k in (2, 1, 0):
            x = F.interpolate(self.up[k](x), scale_factor=2.0, mode='bilinear') + levels[k]
        return self.heat(x).sigmoid(), self.box_code(x)


def multi_task() -> nn.Module:
    """Creates the compact network with three tasks at the common size."""
    config = replace(CONFIGS['drive_lite'], height_px=HEIGHT_PX, width_px=WIDTH_PX)
    return DeployGraph(compact_network(config), config)


Candidate = tuple[Callable[[], nn.Module], tuple[int, ...], torch.dtype]
IMAGE = (1, 3, HEIGHT_PX, WIDTH_PX)
CANDIDATES: dict[str, Candidate] = {
    'drive_lite, three tasks': (multi_task, (1, HEIGHT_PX, WIDTH_PX, 3), torch.uint8),
    'SegFormer-B0 (on PVTv2-B0)': (SegFormerB0, IMAGE, torch.float32),
    'Depth Anything V2 Small': (DepthAnythingSmall, (1, 3, 378, 756), torch.float32),
    'SMOKE (DLA-34)': (Smoke, IMAGE, torch.float32),
}


def session_of(network: nn.Module, image: Tensor, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.onnx'
        torch.onnx.export(network, (image,), path, dynamo=True, opset_version=18, verbose=False)
        return onnxruntime.InferenceSession(path, options, ['CPUExecutionProvider'])


def gmac_of(build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """Counts on the meta device, where attention is counted as its products."""
    network = build().eval().requires_grad_(False).to('meta')
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(shape, dtype=dtype, device='meta'))
    return counter.get_total_flops() / 2e9


def measure(threads: int, rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    sessions, rows = {}, {}
    for name, (build, shape, dtype) in CANDIDATES.items():
        network = build().eval().requires_grad_(False)
        image = torch.zeros(shape, dtype=dtype)
        session = session_of(network, image, threads)
        sessions[name] = (session, {session.get_inputs()[0].name: image.numpy()})
        parameters = sum(p.numel() for p in network.parameters()) / 1e6
        rows[name] = {
            'parameters_m': round(parameters, 1),
            'gmac': round(gmac_of(build, shape, dtype), 2),
        }
    samples_ms: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(rounds + 3):  # three to warm up
        for name, (session, feed) in sessions.items():
            begin_s = time.perf_counter()
            session.run(None, feed)
            if number >= 3:
                samples_ms[name].append(1e3 * (time.perf_counter() - begin_s))
    for name, values in samples_ms.items():
        rows[name]['p50_ms'] = round(float(np.median(values)), 1)
    return {
        'machine': machine(),
        'threads': threads,
        'rounds': rounds,
        'versions': f'torch {torch.__version__}, timm {timm.__version__}, '
        f'ONNX Runtime {onnxruntime.__version__}',
        'networks': rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=10)
    options = parser.parse_args()
    result = measure(options.threads, options.rounds)
    RESULTS.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
