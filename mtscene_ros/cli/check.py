"""Checks a machine and a configuration before the node starts: what is wrong and how to fix it.

Prints one line each: ok, warn (the node works, but worse or less) or fail.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

EXAMPLE = """mtscene check
mtscene check --image /camera/image_raw --model mine.onnx --params-file robot1.yaml"""
EXIT = '0 without a failed check, 1 with one, 2 refused'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--model', type=Path, metavar='MODEL', help='file or name; default: drive_lite'
    )
    parser.add_argument('--backend', default='auto', help='default: %(default)s')
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='image topic that must be published'
    )
    parser.add_argument('--params-file', type=Path, metavar='YAML', help="the node's parameters")
    parser.add_argument('--json', action='store_true', help='print a list of objects')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.cli.checks import Configuration, findings
    from mtscene_ros.ros.finding import FAIL

    model, params_file = str(arguments.model or ''), str(arguments.params_file or '')
    found = []
    for finding in findings(Configuration(model, arguments.backend, arguments.image, params_file)):
        found.append(finding)
        if not arguments.json:
            fix = f'\n      → {finding.fix}' if finding.fix else ''
            print(f'{finding.level:4s}  {finding.name}: {finding.found}{fix}', flush=True)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in found]))
    return int(any(finding.level == FAIL for finding in found))
