"""Loads another model into a running node, between two images, so that none is lost."""

from __future__ import annotations

import argparse
import json

from mtscene_ros.cli.arguments import positive

EXAMPLE = """mtscene swap mine.onnx
mtscene swap drive_lite --node /front/perception"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', help='file on this machine, or a name of `mtscene models`')
    parser.add_argument('--node', default='/perception', help='default: /perception')
    parser.add_argument(
        '--timeout', type=positive, default=600, metavar='S', help='an engine may have to be built'
    )
    parser.add_argument('--json', action='store_true', help='print the answer as an object')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.models.catalogue import path_of
    from mtscene_ros.ros.node_client import NodeClient

    model = str(path_of(arguments.model).resolve())
    with NodeClient(arguments.node) as client:
        message = client.swap(model, float(arguments.timeout))
    print(json.dumps({'model': model, 'message': message}) if arguments.json else message)
    return 0
