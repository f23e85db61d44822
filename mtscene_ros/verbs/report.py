"""A recording of the node's outputs → one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = 'mtscene report out.mcap -o report.html'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path)
    parser.add_argument('-o', '--output', type=Path, default=Path('report.html'))


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.report import write_report

    write_report(arguments.bag, arguments.output)
    print(arguments.output)
    return 0
