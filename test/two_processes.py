"""Two processes of torch.distributed, forked by one that has imported everything: what
`torch.distributed.run --nproc-per-node 2` starts (test/training/test_learning.py), at a sixth of
its price.

    python two_processes.py MODULE 'JSON list of argument lists'

The module's `main` is called with one list after the other, each in two processes of their own.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from patience import PATIENCE_S


def run_in_two(module: str, calls: list[list[str]]) -> None:
    """Raises CalledProcessError where one of them fails."""
    command = [sys.executable, __file__, module, json.dumps(calls)]
    folders = Path(__file__).parent, Path(__file__).parents[1]
    paths = os.pathsep.join(map(str, folders))
    environment = os.environ | {'PYTHONPATH': paths, 'OMP_NUM_THREADS': '1'}
    timeout_s = PATIENCE_S * 2 * len(calls)
    subprocess.run(command, check=True, capture_output=True, timeout=timeout_s, env=environment)


def forked(program: Any, arguments: list[str], rank: int, port: int) -> int:
    """→ the process that is number `rank` of two."""
    child = os.fork()
    if child:
        return child
    os.environ |= {'RANK': str(rank), 'LOCAL_RANK': str(rank), 'WORLD_SIZE': '2'}
    os.environ |= {'MASTER_ADDR': 'localhost', 'MASTER_PORT': str(port)}
    code = 1
    try:
        program.main(arguments)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main(module: str, calls: list[list[str]]) -> int:
    program, failed = importlib.import_module(module), 0
    for arguments in calls:
        with socket.socket() as free:
            free.bind(('localhost', 0))
            port = free.getsockname()[1]
        children = [forked(program, arguments, rank, port) for rank in range(2)]
        failed += sum(os.waitpid(child, 0)[1] != 0 for child in children)
    return failed


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
