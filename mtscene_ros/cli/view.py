"""Shows live topics, recordings or an evaluation in a Rerun viewer: camera image, classes, depth,
3D boxes and latency, in a window, on a web page or in a file."""

from __future__ import annotations

import argparse
import contextlib
import threading
from pathlib import Path
from typing import Any

LOOPBACK = ('127.0.0.1', '::1')
EXAMPLE = 'mtscene view demo/out.mcap\nmtscene view report/ drive.mcap --web\nmtscene view'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'recordings',
        nargs='*',
        type=Path,
        metavar='RECORDING',
        help='bag or folder of an evaluation; several are joined by stamp; none: live topics',
    )
    parser.add_argument(
        '--node', default='', help='node whose outputs are shown; default: /perception, or found'
    )
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='of recordings; default: one of each camera'
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--web', action='store_true', help='serve a web page, print its address')
    where.add_argument('-o', '--output', type=Path, metavar='FILE.rrd', help='write a file')
    parser.add_argument(
        '--port', type=int, default=9090, help='port of the page; the next one serves the data'
    )
    parser.add_argument(
        '--host',
        default=LOOPBACK[0],
        metavar='ADDRESS',
        help='address at which --web listens; 0.0.0.0: all of this machine; default: %(default)s',
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        from mtscene_ros.report.viewer import sinks
        from mtscene_ros.report.viewer.entities import RerunLog
    except ModuleNotFoundError as error:
        raise ValueError(f'{error.name} is not installed; run `pip install rerun-sdk`.') from error
    with contextlib.ExitStack() as stack:
        if arguments.web:
            stream, address = sinks.page(arguments.port, arguments.host)
            print(f'{address}\nPress Ctrl-C to stop', flush=True)
            if arguments.host not in LOOPBACK:
                print(f'Everyone who reaches {arguments.host} sees it, without a password.')
        elif arguments.output:
            # Live topics have no end: their file is read while it grows.
            aside = sinks.unfinished(arguments.output) if arguments.recordings else None
            stream = sinks.file(stack.enter_context(aside) if aside else arguments.output)
        else:
            stream = sinks.window()
        node = arguments.node.rstrip('/')
        rerun_log = RerunLog(stream, node or ('' if arguments.recordings else '/perception'))
        # Also where Ctrl-C comes early: Rerun would wait at the end for a server that has gone.
        stack.callback(stream.disconnect)
        if not arguments.recordings:
            from mtscene_ros.ros.live_view import show_live

            show_live(rerun_log)
        else:
            _show(rerun_log, arguments.recordings, arguments.image)
            if arguments.web:
                with contextlib.suppress(KeyboardInterrupt):
                    threading.Event().wait()
        stream.flush()
    if arguments.output:
        print(arguments.output)
    return 0


def _show(rerun_log: Any, paths: list[Path], image: str) -> None:
    from mtscene_ros.report.viewer.replay import show_recordings
    from mtscene_ros.terminal import StatusLine, plural

    line, done = StatusLine(), 0
    for done, total in show_recordings(paths, rerun_log, image):
        if done % 50 == 0:
            line.show(f'{done} of {plural(total, "message")}')
    line.end(plural(done, 'message'))
