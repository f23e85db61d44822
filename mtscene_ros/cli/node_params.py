"""Shows and sets the parameters of a running node. (The verb is `mtscene params`.)"""

from __future__ import annotations

import argparse
import json

EXAMPLE = """mtscene params
mtscene params min_score output_scale
mtscene params min_score:=0.5 max_rate_hz:=10 --node /front/perception"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'names', nargs='*', metavar='NAME[:=VALUE]', help='to show or to set; default: show all'
    )
    parser.add_argument('--node', default='/perception', help='default: /perception')
    parser.add_argument('--json', action='store_true', help='print names and values as an object')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.ros.node_client import NodeClient

    texts = dict(word.split(':=', 1) for word in arguments.names if ':=' in word)
    names = [word.split(':=', 1)[0] for word in arguments.names]
    with NodeClient(arguments.node) as client:
        if texts:
            client.set_parameters(texts)
        found = client.parameters(names)
    if arguments.json:
        print(json.dumps({name: value for name, (value, _) in found.items()}, default=list))
        return 0
    width = max(map(len, found), default=0)
    for name, (value, description) in found.items():
        about = f'   # {description}' if names and description else ''
        print(f'{name:{width}s}  {value!r}{about}')
    return 0
