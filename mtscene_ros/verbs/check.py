"""A machine and a configuration before the node is started: what is wrong, and how to mend it.

One line each: ok, warn (it works, but worse or less) or fail.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtscene_ros.checks import Finding

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
    found = []
    for finding in findings(arguments):
        found.append(finding)
        if not arguments.json:
            mend = f'\n      → {finding.mend}' if finding.mend else ''
            print(f'{finding.level:4s}  {finding.name}: {finding.found}{mend}', flush=True)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in found]))
    return int(any(finding.level == 'fail' for finding in found))


def findings(arguments: argparse.Namespace) -> Iterator[Finding]:
    from mtscene_ros import checks

    model = str(arguments.model or '')
    yield from checks.findings(checks.Configuration(model, arguments.backend))
    needed = ('rclpy', 'vision_msgs', 'mtscene_msgs')
    if all(importlib.util.find_spec(name) for name in needed):  # `ros` has told otherwise
        from mtscene_ros.ros import checks as live

        yield from live.findings(arguments.image, arguments.params_file)
