"""Shows what a running node says about itself: rates, drops, latency of each stage, troubles.

The numbers come from /diagnostics, so that a node without subscribers stays idle.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtscene_ros.ros.node_client import StatusEntry

EXAMPLE = """mtscene stats
mtscene stats --node /front/perception --watch
mtscene stats --json"""
EXIT = '0 all is well, 1 the node has a warning or an error, 2 refused with one sentence'
TIMES = ' p50/p95/p99, ms'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--node', default='/perception', help='default: /perception')
    parser.add_argument('--watch', action='store_true', help='go on until Ctrl-C')
    parser.add_argument('--json', action='store_true', help='print a list of objects')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.ros.node_client import NodeClient, as_dict

    with NodeClient(arguments.node) as client:
        while True:
            found = client.status()
            print(
                json.dumps([as_dict(e) for e in found]) if arguments.json else text(found),
                flush=True,
            )
            if not arguments.watch:
                return int(any(entry.level for entry in found))


def text(found: Sequence[StatusEntry]) -> str:
    """Returns one line for each entry, and for a camera its rates and a table of stages."""
    from mtscene_ros.ros.node_client import LEVELS

    lines = []
    for entry in found:
        lines.append(f'{LEVELS[min(entry.level, 2)]:5s} {entry.title}: {entry.message}')
        if 'received' in entry.values:
            lines += camera_lines(entry.values)
    return '\n'.join(lines)


def camera_lines(values: Mapping[str, str]) -> list[str]:
    lines = [
        f'      in {values["received, Hz"]} Hz, out {values["published, Hz"]} Hz; '
        f'{values["received"]} received, {values["published"]} published, '
        f'{values["dropped"]} dropped, {values["failed"]} failed'
    ]
    stages = {k.removesuffix(TIMES): v.split(' / ') for k, v in values.items() if TIMES in k}
    if stages:
        lines.append(f'      {"ms":10s} {"p50":>8s} {"p95":>8s} {"p99":>8s}')
    for name, numbers in stages.items():
        lines.append(f'      {name:10s} ' + ' '.join(f'{number:>8s}' for number in numbers))
    return lines
