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
        '--json', action='store_true', help='print where it was written, as an object'
    )


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.report.recording_page import write_report

    write_report(arguments.bag, arguments.output)
    output = str(arguments.output)
    print(json.dumps({'output': output}) if arguments.json else output)
    return 0
