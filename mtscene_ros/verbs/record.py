"""Real topics into a recording, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

EXAMPLE = 'mtscene record -o out.mcap --topics /camera/image_raw /perception/detections_3d'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-o', '--output', type=Path, required=True, help='.mcap or folder')
    parser.add_argument('--topics', nargs='+', default=(), help='default: all')
    parser.add_argument('--json', action='store_true', help='what was written, by topic')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.ros.record import run_record

    counts, skipped = run_record(arguments.output, arguments.topics)
    for topic, type_name in skipped.items():
        print(f'{topic} was left out: its type {type_name} is not installed', file=sys.stderr)
    if arguments.json:
        print(
            json.dumps({'output': str(arguments.output), 'messages': counts, 'skipped': skipped})
        )
    else:
        print(f'{arguments.output}: {sum(counts.values())} messages on {len(counts)} topics')
    return 0
