"""Runs the node on a generated drive or on a recording of yours."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = 'mtscene demo'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--bag', type=Path, help='a recording of yours; default: a generated drive'
    )
    parser.add_argument('--out', type=Path, default=Path('demo'), help='folder of the results')
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='with --bag; default: the most likely one'
    )
    parser.add_argument(
        '--camera-info', default='', metavar='TOPIC', help='default: the one of the image'
    )
    parser.add_argument('--frames', type=int, default=60, help='length of the generated drive')
    parser.add_argument('--model', default='', help='file or name; default: the bundled one')
    parser.add_argument(
        '--step',
        action=argparse.BooleanOptionalAction,
        help='wait for the answer to each image, so that none is dropped; default: for recordings '
        'of less than a minute',
    )


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.cli.demo_run import run_demo
    from mtscene_ros.models.catalogue import path_of

    if arguments.bag is None and (arguments.image or arguments.camera_info):
        raise ValueError('The generated drive has one camera; give --bag as well.')
    model = str(path_of(arguments.model)) if arguments.model else ''
    topics = arguments.image, arguments.camera_info
    bag, out, step = arguments.bag, arguments.out, arguments.step
    return run_demo(bag, out, arguments.frames, model, topics, step)
