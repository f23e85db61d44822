"""Opens the output of the viewer: a window, a web page, or a file."""

from __future__ import annotations

import atexit
import ipaddress
import os
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import rerun as rr

from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.report.viewer.server import ViewError, is_open, reachable, start

APPLICATION = 'mtscene_ros'
LOOPBACK = '127.0.0.1'
WINDOW_PORT = 9876  # Rerun's own
MEMORY = '25%'  # of the machine's memory, for data that a page opened late still receives


def window() -> rr.RecordingStream:
    """Starts the viewer in a process of its own. Raises ViewError, also if there is no screen."""
    if sys.platform == 'linux' and not {'DISPLAY', 'WAYLAND_DISPLAY'} & os.environ.keys():
        raise ViewError(
            'There is no screen: DISPLAY and WAYLAND_DISPLAY are not set; use --web or -o FILE.'
        )
    if not is_open(LOOPBACK, WINDOW_PORT):  # that of a viewer that is open already
        start(['--port', str(WINDOW_PORT)], LOOPBACK, WINDOW_PORT)
    stream = rr.RecordingStream(APPLICATION)
    stream.connect_grpc(f'rerun+http://{LOOPBACK}:{WINDOW_PORT}/proxy')
    return stream


def page(port: int, host: str = LOOPBACK) -> tuple[rr.RecordingStream, str]:
    """Serves the viewer and its data, and returns the stream and the address of the page.

    Data are kept for pages that are opened later. port: of the page; the next one serves the data;
    host: address at which both listen. Raises ViewError.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ViewError(
            f'--host {host} is no address; give one of this machine, such as 192.168.0.5, or '
            '0.0.0.0 for all of them.'
        ) from None
    if not 1 <= port <= 65534:
        raise ViewError(f'--port {port} is not between 1 and 65534.')
    arguments = ['--serve-web', '--web-viewer-port', str(port), '--port', str(port + 1)]
    arguments += ['--server-memory-limit', MEMORY]
    if not address.is_loopback:  # pages come from whatever name the machine has
        arguments += ['--cors-allow-origin', f'http://*:{port}']
    server = start(arguments, host, port)
    stream = rr.RecordingStream(APPLICATION)
    atexit.register(end, stream, server)
    stream.connect_grpc(f'rerun+http://{in_url(reachable(host))}:{port + 1}/proxy')
    shown = socket.gethostname() if address.is_unspecified else in_url(host)
    return stream, f'http://{shown}:{port}/?url=rerun%2Bhttp://{shown}:{port + 1}/proxy'


def end(stream: rr.RecordingStream, server: subprocess.Popen[bytes]) -> None:
    """Ends the server last: Rerun would wait at the end of this process for one that has gone."""
    stream.disconnect()
    server.terminate()


def in_url(host: str) -> str:
    return f'[{host}]' if ':' in host else host


def unfinished(path: Path) -> AbstractContextManager[Path]:
    """Yields the file to fill, which becomes `path` at the end. Raises ViewError, OSError."""
    check_folder(path)
    return replacing(path)


def check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise ViewError(f'Folder {str(path.parent)!r} does not exist; create it.')


def file(path: Path) -> rr.RecordingStream:
    """Writes an .rrd file for `rerun FILE` and https://rerun.io/viewer. Raises ViewError."""
    check_folder(path)
    stream = rr.RecordingStream(APPLICATION)
    stream.save(path)
    return stream
