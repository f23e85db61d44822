"""A machine and a configuration before the node is started: what is wrong, and how to mend it.

One line each: ok, warn (it works, but worse or less) or fail.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

EXAMPLE = """mtscene check
mtscene check --image /camera/image_raw --model mine.onnx --params-file robot1.yaml"""
EXIT = '0 without a fail, 1 with one, 2 where it was refused'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', type=Path, metavar='FILE', help='default: the bundled one')
    parser.add_argument('--backend', default='auto', help='default: %(default)s')
    parser.add_argument('--image', default='', metavar='TOPIC', help='must be published')
    parser.add_argument('--params-file', type=Path, metavar='YAML', help="the node's parameters")
    parser.add_argument('--json', action='store_true', help='a list of objects')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.cli.checks import Configuration, findings
    from mtscene_ros.ros.finding import FAIL

    model, params_file = str(arguments.model or ''), str(arguments.params_file or '')
    found = []
    for finding in findings(Configuration(model, arguments.backend, arguments.image, params_file)):
        found.append(finding)
        if not arguments.json:
            mend = f'\n      → {finding.mend}' if finding.mend else ''
            print(f'{finding.level:4s}  {finding.name}: {finding.found}{mend}', flush=True)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in found]))
    return int(any(finding.level == FAIL for finding in found))
