"""Builds a TensorRT engine ahead of time, for the GPU of this machine or for other RTX GPUs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtscene_ros.cli.arguments import positive
from mtscene_ros.terminal import StatusLine

if TYPE_CHECKING:
    from mtscene_ros.backends.engine_build import Progress

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
    line = StatusLine(to_stderr=True, plain_period_s=60.0)
    try:
        build = for_targets if arguments.target else for_this_gpu
        built = build(arguments, shown_in(line))
    finally:
        line.end()
    for engine in built:
        if arguments.json:
            print(json.dumps(engine))
        else:
            print(f'{engine["engine"]}: {engine["why"]}')
        if engine['warning']:
            print(engine['warning'], file=sys.stderr)
    return 1 if any(engine['warning'] for engine in built) else 0


def for_this_gpu(arguments: argparse.Namespace, progress: Progress) -> list[dict[str, Any]]:
    """Opens the model as the node would, so that the node finds exactly this engine."""
    from mtscene_ros.backends import BackendOptions, tensorrt

    options = BackendOptions(
        gpu_id=arguments.gpu_id,
        max_batch=arguments.max_batch,
        dla_core=arguments.dla_core,
        engine_folder=str(arguments.output or ''),
        progress=progress,
    )
    backend = tensorrt.load(str(arguments.model), options)
    details, description = backend.details, backend.description
    backend.close()
    why = f'{description}; {details["engine built because"]}'
    return [{'engine': details['engine'], 'why': why, 'warning': ''}]


def for_targets(arguments: argparse.Namespace, progress: Progress) -> list[dict[str, Any]]:
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
                    arguments.model, trt.__name__, settings, progress, 0, sha256
                )
            ),
            progress=progress,
        )
        size = f'{len(found.plan) / 1e6:.1f} MB for compute capability {target}'
        why = f'{size}; {found.reason or "it existed already"}'
        built.append({'engine': str(found.path), 'why': why, 'warning': found.warning})
    return built


def shown_in(line: StatusLine) -> Progress:
    """Rewrites one line on a terminal; elsewhere prints a line per minute. Never cancels."""

    def show(phase: str, share: float) -> bool:
        line.show(f'{phase} {100 * share:.0f} %')
        return True

    return show
