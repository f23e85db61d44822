"""Turns a recording of the node's outputs into one HTML page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

EXAMPLE = 'mtscene report out.mcap -o report.html'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path)
    parser.add_argument('-o', '--output', type=Path, default=Path('report.html'))
    parser.add_argument(
        '--node',
        default='',
        help='node whose results are shown; default: the one that is recorded',
    )
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='default: the one that the results belong to'
    )
    parser.add_argument(
        '--json', action='store_true', help='print where it was written, as an object'
    )


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.report.recording_page import write_report

    write_report(arguments.bag, arguments.output, node=arguments.node, image=arguments.image)
    output = str(arguments.output)
    print(json.dumps({'output': output}) if arguments.json else output)
    return 0
