"""Starts the perception node with the most common options; --set sets any other parameter.

The process becomes `perception_node --ros-args ...`; --dry-run prints that command instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from mtscene_ros.cli.arguments import remapping
from mtscene_ros.models.child_process import module_command

EXAMPLE = """mtscene run --image /camera/image_raw
mtscene run --image /camera/image_raw --compressed --model mine.onnx --set min_score:=0.5
mtscene run --cameras front rear --namespace robot1 --params-file robot1.yaml"""
EXIT = 'that of the node: 0 after SIGINT or SIGTERM, 1 if it cannot start; 2 refused'
BACKENDS_HELP = 'auto, onnxruntime, openvino, tensorrt, ...'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='topic of the images; default: image'
    )
    parser.add_argument(
        '--camera-info', default='', metavar='TOPIC', help='default: camera_info beside the images'
    )
    parser.add_argument('--compressed', action='store_true', help='subscribe to IMAGE/compressed')
    parser.add_argument(
        '--cameras', nargs='+', default=(), metavar='NAME', help='each subscribes to NAME/image'
    )
    parser.add_argument(
        '--model',
        type=Path,
        metavar='MODEL',
        help='file, or name as `mtscene models` lists it; default: drive_lite',
    )
    parser.add_argument('--backend', default='', help=BACKENDS_HELP)
    parser.add_argument('--precision', default='', help='auto, file, fp32, bf16, fp16 or int8')
    parser.add_argument(
        '--params-file', type=Path, metavar='YAML', help='parameter file; options override it'
    )
    parser.add_argument(
        '--set', nargs='+', type=remapping, default=(), metavar='NAME:=VALUE', help='parameters'
    )
    parser.add_argument('--remap', nargs='+', type=remapping, default=(), metavar='FROM:=TO')
    parser.add_argument('--namespace', default='', metavar='NAME')
    parser.add_argument('--log-level', default='', help='debug, info, warn, error or fatal')
    parser.add_argument(
        '--dry-run', action='store_true', help='print the command instead of running it'
    )
    parser.add_argument('--json', action='store_true', help='with --dry-run: as a JSON list')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.models.catalogue import file_of

    if arguments.model:
        arguments.model = Path(file_of(str(arguments.model)))
    for file in (arguments.model, arguments.params_file):
        if file is not None and not file.is_file():
            raise ValueError(f'{file} does not exist.')
    words = ['--ros-args', *ros_arguments(arguments)]
    if not arguments.dry_run:
        become(words)
    command = ['perception_node', *words]
    print(json.dumps(command) if arguments.json else shlex.join(command))
    return 0


def become(words: list[str]) -> NoReturn:
    """Replaces this process by the node, so that signals and exit status are the node's own."""
    from mtscene_ros.cli.middleware import with_profile

    sys.stdout.flush()
    command = module_command('mtscene_ros.ros.node', *words)
    os.execve(command[0], command, with_profile(os.environ))


def ros_arguments(arguments: argparse.Namespace) -> list[str]:
    """Returns what follows --ros-args; the file comes first, because later values win."""
    words = ['--params-file', str(arguments.params_file)] if arguments.params_file else []
    for name, value in parameters(arguments).items():
        words += ['-p', f'{name}:={value}']
    for topic, value in topics(arguments).items():
        words += ['-r', f'{topic}:={value}']
    words += ['-r', f'__ns:=/{arguments.namespace.strip("/")}'] if arguments.namespace else []
    words += ['--log-level', arguments.log_level] if arguments.log_level else []
    return words


def parameters(arguments: argparse.Namespace) -> dict[str, str]:
    given = {
        'model': str(arguments.model.resolve()) if arguments.model else '',
        'backend': arguments.backend,
        'precision': arguments.precision,
        'image_transport': 'compressed' if arguments.compressed else '',
        'cameras': f'[{", ".join(arguments.cameras)}]' if arguments.cameras else '',
    }
    return {name: value for name, value in given.items() if value} | dict(arguments.set)


def topics(arguments: argparse.Namespace) -> dict[str, str]:
    given = {'image': arguments.image, 'camera_info': arguments.camera_info}
    return {name: value for name, value in given.items() if value} | dict(arguments.remap)
