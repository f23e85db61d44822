"""Builds a TensorRT engine ahead of time, for the GPU of this machine or for other RTX GPUs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from mtscene_ros.cli.arguments import positive

EXAMPLE = """mtscene build model.onnx
mtscene build model.onnx --target 8.6,8.9 --max-batch 4 -o engines"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', type=Path)
    parser.add_argument(
        '--target',
        default='',
        metavar='8.6,8.9',
        help='compute capabilities of RTX GPUs, which need not be here; default: the GPU here',
    )
    parser.add_argument('--max-batch', type=positive, default=1, help='number of cameras')
    parser.add_argument('--gpu-id', type=int, default=0)
    parser.add_argument(
        '--dla-core', type=int, default=-1, help='DLA core of a Jetson; default: none'
    )
    parser.add_argument('-o', '--output', type=Path, help='folder; default: the engine cache')
    parser.add_argument('--json', action='store_true', help='print one line of JSON per engine')


def run(arguments: argparse.Namespace) -> int:
    built = for_targets(arguments) if arguments.target else [for_this_gpu(arguments)]
    print(file=sys.stderr)  # ends the line of progress
    for engine in built:
        if arguments.json:
            print(json.dumps(engine))
        else:
            print(f'{engine["engine"]}: {engine["why"]}')
        if engine['warning']:
            print(engine['warning'], file=sys.stderr)
    return 1 if any(engine['warning'] for engine in built) else 0


def for_this_gpu(arguments: argparse.Namespace) -> dict[str, Any]:
    """Opens the model as the node would, so that the node finds exactly this engine."""
    from mtscene_ros.backends import BackendOptions, tensorrt

    options = BackendOptions(
        gpu_id=arguments.gpu_id,
        max_batch=arguments.max_batch,
        dla_core=arguments.dla_core,
        engine_folder=str(arguments.output or ''),
        progress=show_progress,
    )
    backend = tensorrt.load(str(arguments.model), options)
    details, description = backend.details, backend.description
    backend.close()
    why = f'{description}; {details["engine built because"]}'
    return {'engine': details['engine'], 'why': why, 'warning': ''}


def for_targets(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Builds one engine per compute capability, under the key that the node looks for."""
    from mtscene_ros.backends import BackendOptions, engine_build, engine_cache, engine_process
    from mtscene_ros.backends.cuda import Gpu
    from mtscene_ros.backends.tensorrt import key_of

    trt = engine_build.find_module('tensorrt_rtx')
    options = BackendOptions(max_batch=arguments.max_batch)
    folder = arguments.output or engine_cache.default_folder()
    built = []
    for target in arguments.target.split(','):
        key = key_of(trt, Gpu('', target, '', False), arguments.model, options)
        found = engine_cache.engine_for(
            arguments.model,
            key,
            folder,
            lambda settings=key.settings, sha256=key.onnx_sha256: (
                engine_process.build_in_subprocess(  # type: ignore[misc]
                    arguments.model, trt.__name__, settings, show_progress, 0, sha256
                )
            ),
            progress=show_progress,
        )
        size = f'{len(found.plan) / 1e6:.1f} MB for compute capability {target}'
        why = f'{size}; {found.reason or "it existed already"}'
        built.append({'engine': str(found.path), 'why': why, 'warning': found.warning})
    return built


def show_progress(phase: str, share: float) -> bool:
    """Rewrites one line on a terminal; elsewhere prints a line per minute. Never cancels."""
    if sys.stderr.isatty():
        print(f'\r{phase[:60]:60s} {100 * share:3.0f} %', end='', file=sys.stderr)
    elif time.monotonic() - _LAST[0] > 60:
        _LAST[0] = time.monotonic()
        print(f'{phase} {100 * share:.0f} %', file=sys.stderr)
    return True


_LAST = [0.0]
