"""Checks that TensorRT accepts our graphs, using TensorRT for RTX, which needs no GPU to build.

    python -m training.trt_check                              # everything; `make trt-check`
    python -m training.trt_check test test_prompts --targets 8.6

Exports every network in float32 and float16, and one also in INT8, with random weights (acceptance
does not depend on weights), builds one engine for all targets in a separate process, and writes
benchmarks/results/trt_check.md. The exit status is 1 if any graph is refused; the table names the
operator.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from mtscene_ros.backends.machine import machine
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.child_process import module_command
from mtscene_ros.models.operations import count_macs
from mtscene_ros.terminal import exit_status
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds import FRAMES
from training.config import CONFIGS, CompactConfig
from training.graphs.deploy import DeployGraph, spec_of
from training.graphs.deploy_published import PublishedGraph, default_camera, published_spec
from training.graphs.onnx_export import OPSET, OPSETS, current_commit, write_onnx
from training.graphs.precision import halved, halved_published
from training.graphs.simplify import simplified
from training.networks.decoders import compact_network
from training.networks.zoo import (
    COMPACT,
    NETWORKS,
    NetworkConfig,
    build,
    resized_config,
    with_encoder,
)
from training.quantise import quantise

PUBLISHED = (
    'invpt_vitb_pascal',
    'taskprompter_vitb_pascal',
    'taskprompter_swinb_cityscapes3d',
)
# InvPT on other encoders: encoder, height and width.
ON_ENCODERS = {
    'invpt_dinov2s_nyud': ('vit_small_patch14_dinov2', 224, 280),
    'invpt_convnextt_nyud': ('convnext_tiny', 256, 320),
}
PRECISIONS = ('fp32', 'fp16', 'int8')
INT8 = ('drive_lite',)
CALIBRATION = 2  # frames; the measured ranges do not matter here
TARGETS = '8.6,8.9,12.0'
RESULTS = Path(__file__).parents[1] / 'benchmarks/results/trt_check.md'
LIMIT_S = 900


def published_config(name: str) -> NetworkConfig | None:
    """Returns None for a compact network."""
    if name not in ON_ENCODERS:
        return NETWORKS.get(name)
    encoder, height_px, width_px = ON_ENCODERS[name]
    on_encoder = with_encoder(NETWORKS['invpt_vitb_nyud'], encoder)
    return resized_config(on_encoder, height_px, width_px)


def export(name: str, precision: str, path: Path, opset: int = OPSET) -> None:
    """Exports a model file with random weights."""
    torch.manual_seed(0)
    config = published_config(name)
    if config is not None:
        network = simplified(build(config).eval().requires_grad_(False))
        if precision == 'fp16':
            network = halved_published(network)
        graph = PublishedGraph(network, config).eval()
        spec = published_spec(graph, name, '0', current_commit(), default_camera(config))
        write_onnx(graph, spec, path, opset)
        return
    compact = CONFIGS[name]
    plain = compact_network(compact).eval().requires_grad_(False)
    deployed = DeployGraph(halved(plain) if precision == 'fp16' else plain, compact).eval()
    spec = spec_of(deployed, '0', current_commit())
    write_onnx(deployed, spec, path, opset)
    if precision == 'int8':
        quantise(path, path, generated_frames(compact), spec)


def generated_frames(config: CompactConfig) -> list[CameraFrame]:
    size = (config.width_px, config.height_px)
    frames = (FRAMES['drive'](0, index, *size) for index in range(CALIBRATION))
    return [CameraFrame(frame.rgb, frame.intrinsics, 0, 'camera') for frame in frames]


def checked(name: str, precision: str, targets: str, opset: int = OPSET) -> dict[str, Any]:
    """Returns one row with the builder's answer."""
    row: dict[str, Any] = {'network': name, 'precision': precision}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'{name}.onnx'
        export(name, precision, path, opset)
        gc.collect()
        row['gmac'] = round(sum(count_macs(path).values()) / 1e9, 2)
        row['onnx_mb'] = round(sum(p.stat().st_size for p in Path(folder).iterdir()) / 1e6, 1)
        command = module_command('mtscene_ros.backends.engine_build', str(path))
        command += ['--module', 'tensorrt_rtx', '--target', targets, '--max-batch', '4']
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return row | {'refused': f'the builder exceeded {LIMIT_S} s'}
    if done.returncode:
        messages = done.stderr.strip().splitlines() or [
            f'the builder ended with exit status {done.returncode}'
        ]
        return row | {'refused': messages[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row | found


def precisions_of(name: str) -> tuple[str, ...]:
    return PRECISIONS if name in INT8 else PRECISIONS[:2]


def table(rows: list[dict[str, Any]], targets: str, opset: int) -> str:
    builder = next((row['builder'] for row in rows if 'builder' in row), 'no builder')
    lines = [
        f'# Graphs that {builder} builds for compute capabilities {targets}',
        '',
        f'{machine()}; `make trt-check`. Opset {opset}, batch 1 to 4, strongly typed; one engine '
        'for all targets; nothing was run: there is no GPU here.',
        '',
        '| network | precision | ONNX, MB | build, s | engine, MB | peak memory, MB | |',
        '|---|---|---|---|---|---|---|',
    ]
    for row in rows:
        figures = [str(row.get(k, '')) for k in ('onnx_mb', 'seconds', 'engine_mb', 'peak_mb')]
        verdict = row.get('refused', 'accepted').replace('|', '/')
        lines.append(
            f'| {row["network"]} | {row["precision"]} | {" | ".join(figures)} | {verdict} |'
        )
    return '\n'.join(lines) + '\n'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('networks', nargs='*', help='default: all')
    parser.add_argument('--targets', default=TARGETS)
    parser.add_argument('--precisions', nargs='+', default=[], choices=PRECISIONS)
    parser.add_argument('--opset', type=int, choices=OPSETS, default=OPSET)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    warnings.simplefilter(
        'ignore'
    )  # torch.onnx of torch 2.13 calls functions that torch deprecates
    rows = []
    for name in options.networks or (*COMPACT, *PUBLISHED, *ON_ENCODERS):
        for precision in options.precisions or precisions_of(name):
            rows.append(checked(name, precision, options.targets, options.opset))
            print(json.dumps(rows[-1]), flush=True)
            write_text(options.out, table(rows, options.targets, options.opset))
    return 1 if any('refused' in row for row in rows) else 0


if __name__ == '__main__':
    raise SystemExit(exit_status(main))
