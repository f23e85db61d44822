"""Where a viewer's data go: a window, a page that it serves, a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import rerun as rr

APPLICATION = 'mtscene_ros'
MEMORY = '25%'  # of the machine's: what a page that is opened late still gets


class ViewError(ValueError):
    """Nothing can be shown; the message is one sentence that says why and what to do."""


def window() -> rr.RecordingStream:
    """Starts the viewer of its own process. Raises ViewError where there is no screen."""
    if sys.platform == 'linux' and not {'DISPLAY', 'WAYLAND_DISPLAY'} & os.environ.keys():
        raise ViewError(
            'There is no screen: DISPLAY and WAYLAND_DISPLAY are not set; use --web or -o FILE.'
        )
    stream = rr.RecordingStream(APPLICATION)
    stream.spawn()
    return stream


def page(port: int) -> tuple[rr.RecordingStream, str]:
    """Serves viewer and data; what has been shown is kept. Returns the address of the page, too.

    port: of the page, the data come on the next one.
    """
    stream = rr.RecordingStream(APPLICATION)
    data = stream.serve_grpc(grpc_port=port + 1, server_memory_limit=MEMORY)
    rr.serve_web_viewer(web_port=port, open_browser=False)
    return stream, f'http://127.0.0.1:{port}/?url={data}'


def file(path: Path) -> rr.RecordingStream:
    """Writes an .rrd file, for `rerun FILE` and https://rerun.io/viewer."""
    if not path.parent.is_dir():
        raise ViewError(f'Folder {str(path.parent)!r} does not exist; create it.')
    stream = rr.RecordingStream(APPLICATION)
    stream.save(path)
    return stream
