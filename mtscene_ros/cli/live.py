"""Shows a running node in the browser: labels and boxes, depth, rates, latency, troubles.

The page is for this machine alone unless --host says otherwise, and needs no further package. The
node computes what an open page shows, and nothing while none is open.
"""

from __future__ import annotations

import argparse
import json

EXAMPLE = """mtscene live
mtscene live --node /front/perception --port 8090
mtscene live --host 0.0.0.0"""
EXIT = '0 after Ctrl-C, 2 refused with one sentence'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--node', default='/perception', help='default: /perception')
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to serve on; 0.0.0.0: everybody can look'
    )
    parser.add_argument('--port', type=int, default=8080, help='default: 8080')
    parser.add_argument('--json', action='store_true', help='print the address as an object')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.report.live_page import LiveServer, LiveState
    from mtscene_ros.ros.live_topics import TOPICS, follow_live

    name = f'/{arguments.node.strip("/")}'
    if not name.replace('/', '').replace('_', '').isalnum():
        raise ValueError(f'{name!r} is not the name of a node.')
    state = LiveState(tuple(TOPICS))
    server = LiveServer(state, name, arguments.host, arguments.port)
    text = f'{server.address}\nPress Ctrl-C to stop'
    print(json.dumps({'address': server.address}) if arguments.json else text, flush=True)
    try:
        follow_live(name, state)
    finally:
        server.close()
    return 0
