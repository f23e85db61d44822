"""Measures latency, memory and operations of models, backends and thread counts in turns."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mtscene_ros.cli.arguments import positive
from mtscene_ros.terminal import size

EXAMPLE = 'mtscene bench a.onnx b.onnx --backends onnxruntime openvino --threads 2 -o bench'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('models', nargs='*', help='model files; default: the bundled one')
    parser.add_argument('--backends', nargs='+', default=['onnxruntime'])
    parser.add_argument('--threads', nargs='+', type=int, default=[2])
    parser.add_argument('--frames', type=positive, default=100)
    parser.add_argument('--batch', type=positive, default=1)
    parser.add_argument(
        '--size', type=size, default=(1242, 375), metavar='WxH', help='size of the images'
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of the table')
    parser.add_argument('-o', '--output', type=Path, help='folder for JSON, table and plot')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.cli import benchmark as benches

    candidates = [
        benches.Candidate(model, backend, threads)
        for model in arguments.models or ['']
        for backend in arguments.backends
        for threads in arguments.threads
    ]
    result = benches.bench(candidates, arguments.frames, arguments.size, arguments.batch)
    print(json.dumps(result) if arguments.json else benches.table(result))
    if arguments.output:
        benches.write(result, arguments.output)
    return 0
