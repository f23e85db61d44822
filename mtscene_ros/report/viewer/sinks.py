"""Opens the output of the viewer: a window, a web page, or a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import rerun as rr

APPLICATION = 'mtscene_ros'
MEMORY = '25%'  # of the machine's memory, for data that a page opened late still receives


class ViewError(ValueError):
    """The viewer cannot be opened; the message is one sentence with the reason and the fix."""


def window() -> rr.RecordingStream:
    """Starts the viewer in a process of its own. Raises ViewError if there is no screen."""
    if sys.platform == 'linux' and not {'DISPLAY', 'WAYLAND_DISPLAY'} & os.environ.keys():
        raise ViewError(
            'There is no screen: DISPLAY and WAYLAND_DISPLAY are not set; use --web or -o FILE.'
        )
    stream = rr.RecordingStream(APPLICATION)
    stream.spawn()
    return stream


def page(port: int) -> tuple[rr.RecordingStream, str]:
    """Serves the viewer and its data, and returns the stream and the address of the page.

    Data are kept for pages that are opened later. port: of the page; the next one serves the data.
    """
    stream = rr.RecordingStream(APPLICATION)
    data = stream.serve_grpc(grpc_port=port + 1, server_memory_limit=MEMORY)
    rr.serve_web_viewer(web_port=port, open_browser=False)
    return stream, f'http://127.0.0.1:{port}/?url={data}'


def file(path: Path) -> rr.RecordingStream:
    """Writes an .rrd file for `rerun FILE` and https://rerun.io/viewer. Raises ViewError."""
    if not path.parent.is_dir():
        raise ViewError(f'Folder {str(path.parent)!r} does not exist; create it.')
    stream = rr.RecordingStream(APPLICATION)
    stream.save(path)
    return stream
