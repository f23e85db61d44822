"""Pauses a running node or lets it go on; the model stays loaded."""

from __future__ import annotations

import argparse
import json

EXAMPLE = """mtscene enable off
mtscene enable on --node /front/perception"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('state', nargs='?', choices=('on', 'off'), default='on')
    parser.add_argument('--node', default='/perception', help='default: /perception')
    parser.add_argument('--json', action='store_true', help='print the answer as an object')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.ros.node_client import NodeClient

    with NodeClient(arguments.node) as client:
        message = client.enable(arguments.state == 'on')
    print(json.dumps({'message': message}) if arguments.json else message)
    return 0
