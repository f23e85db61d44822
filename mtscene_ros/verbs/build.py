"""An engine for TensorRT on RTX GPUs, ahead of time, for GPUs that need not be here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = 'mtscene build model.onnx --target 8.9 --max-batch 4'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', type=Path)
    parser.add_argument(
        '--target', required=True, metavar='8.6,8.9', help='compute capabilities of the GPUs'
    )
    parser.add_argument('--max-batch', type=int, default=1, help='cameras')
    parser.add_argument('-o', '--output', type=Path, help='folder; default: the cache')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros import engine_build, engine_cache

    trt = engine_build.find_module('tensorrt_rtx')
    settings = engine_build.BuildSettings(arguments.max_batch, target=arguments.target)
    key = engine_cache.EngineKey(
        engine_cache.sha256_of(arguments.model),
        trt.__name__,
        trt.__version__,
        engine_cache.Device(compute_capability=arguments.target),
        settings,
    )

    def told(phase: str, share: float) -> bool:
        print(f'\r{phase[:60]:60s} {100 * share:3.0f} %', end='', file=sys.stderr)
        return True

    found = engine_cache.engine_for(
        arguments.model,
        key,
        arguments.output or engine_cache.default_folder(),
        lambda: engine_cache.built_apart(arguments.model, trt.__name__, settings, told),
    )
    print(f'{found.path}: {len(found.plan) / 1e6:.1f} MB. {found.reason or "It was there."}')
    if found.warning:
        print(found.warning, file=sys.stderr)
    return 1 if found.warning else 0
