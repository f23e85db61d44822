"""Runs Rerun's program, whose ports are open to the addresses that we say.

Rerun's Python functions listen on all addresses of the machine; its program takes `--bind`.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from mtscene_ros.models.child_process import code_command

START_S = 60.0
# It ends with us, however we end: signal 15 when the parent dies, on Linux. A window stays open.
PROGRAM = """
import ctypes, os, sys
if sys.platform == 'linux' and '--serve-web' in sys.argv:
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.argv[1], sys.argv[1:])
"""


class ViewError(ValueError):
    """The viewer cannot be opened; the message is one sentence with the reason and the fix."""


def is_open(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def start(arguments: list[str], host: str, port: int) -> subprocess.Popen[bytes]:
    """Starts the program and waits until it listens on the port. Raises ViewError."""
    if is_open(reachable(host), port):
        raise ViewError(f'Port {port} of {host} is in use; choose another --port.')
    command = code_command(PROGRAM, program(), *arguments, '--bind', host)
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C is for us, and we close the connection first.
        process = subprocess.Popen(
            command, env=silent(), stdout=log, stderr=log, start_new_session=True
        )
        end_s = time.monotonic() + START_S
        while not is_open(reachable(host), port):
            if process.poll() is not None or time.monotonic() > end_s:
                process.kill()
                log.seek(0)
                lines = log.read().decode(errors='replace').strip().splitlines()
                raise ViewError(
                    f'The viewer cannot be served on {host}, port {port} '
                    f'({lines[-1][:200] if lines else "no message"}); choose another --port.'
                )
            time.sleep(0.05)
    return process


def program() -> str:
    """Returns the path of Rerun's program, which its package brings along."""
    spec = importlib.util.find_spec('rerun_cli')
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for name in ('rerun', 'rerun.exe'):
            if (Path(folder) / name).is_file():
                return str(Path(folder) / name)
    raise ViewError("rerun-sdk lacks its program; run `pip install 'rerun-sdk>=0.41,<0.42'`.")


def reachable(host: str) -> str:
    """Returns an address of this machine at which a server of this address answers."""
    return {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host)


def silent() -> dict[str, str]:
    """Returns an environment in which the program sends no usage data."""
    folder = tempfile.TemporaryDirectory(prefix='mtscene-view-')
    atexit.register(folder.cleanup)
    settings = Path(folder.name) / 'rerun' / 'analytics.json'
    settings.parent.mkdir()
    about = {'analytics_enabled': False, 'analytics_id': '', 'metadata': {}}
    about |= {'config_file_path': str(settings), 'data_dir_path': folder.name}
    settings.write_text(json.dumps(about))
    return {**os.environ, 'XDG_CONFIG_HOME': folder.name, 'XDG_DATA_HOME': folder.name}
