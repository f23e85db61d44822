"""Starts Python without the current folder on its path.

`python -m` and `python -c` put the current folder first, so that a module 'numpy' beside
somebody's recordings would run. `python -P` leaves it out, from Python 3.11 on; Python 3.10 is
told to by the first line of its program.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import SpawnContext

HAS_SAFE_PATH = sys.version_info >= (3, 11)
WITHOUT_FOLDER = 'import sys; sys.path[:] = [p for p in sys.path if p]\n'
AS_MODULE = (
    'import runpy; del sys.argv[0]; '
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """Returns the command `python -m module arguments...`."""
    if HAS_SAFE_PATH:
        return [sys.executable, '-P', '-m', module, *arguments]
    return [sys.executable, '-c', WITHOUT_FOLDER + AS_MODULE, module, *arguments]


def code_command(code: str, *arguments: str) -> list[str]:
    """Returns the command `python -c code arguments...`."""
    options = ['-P'] if HAS_SAFE_PATH else []
    return [sys.executable, *options, '-c', WITHOUT_FOLDER + code, *arguments]


def spawning() -> SpawnContext:
    """Returns multiprocessing's context 'spawn', which starts processes by `python -c`.

    They get the path of this process before they import anything else.
    """
    os.environ['PYTHONSAFEPATH'] = '1'
    if not HAS_SAFE_PATH:
        import multiprocessing.util as util

        util._args_from_interpreter_flags = lambda: ['-I']  # type: ignore[attr-defined]
    return multiprocessing.get_context('spawn')
