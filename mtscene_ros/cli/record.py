"""Records real topics until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mtscene_ros.terminal import plural

EXAMPLE = 'mtscene record -o out.mcap --topics /camera/image_raw /perception/detections_3d'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-o', '--output', type=Path, required=True, help='.mcap or folder')
    parser.add_argument('--topics', nargs='+', default=(), help='default: all')
    parser.add_argument('--json', action='store_true', help='print what was written, by topic')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.ros.recorder import rescue_unfinished, run_record

    for left in rescue_unfinished(arguments.output.parent):
        print(f'{left}: what a recorder that was killed had written', file=sys.stderr)
    recorder = run_record(arguments.output, arguments.topics)
    for topic, type_name in recorder.skipped.items():
        print(f'{topic} was left out: its type {type_name} is not installed', file=sys.stderr)
    counts = recorder.counts
    if arguments.json:
        about = {'messages': counts, 'skipped': recorder.skipped, 'ended': recorder.why_ended}
        print(json.dumps({'output': str(arguments.output), **about}))
    else:
        written = f'{plural(sum(counts.values()), "message")} on {plural(len(counts), "topic")}'
        print(f'{arguments.output}: {written}')
    if recorder.why_ended:
        print(f'mtscene record: {recorder.why_ended}.', file=sys.stderr)
    return int(bool(recorder.why_ended))
