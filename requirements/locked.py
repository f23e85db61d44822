"""Prints the entries of lock.txt for some packages, for docker/Dockerfile.gpu.

python requirements/locked.py onnxruntime rosbags ... > some.txt
pip install --require-hashes --no-deps -r some.txt
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LOCK = Path(__file__).with_name('lock.txt')


def entries(names: list[str]) -> str:
    """Raises KeyError for a package that lock.txt lacks."""
    blocks = re.split(r'^(?=[\w.-]+==)', LOCK.read_text(), flags=re.MULTILINE)[1:]
    found = {block.partition('==')[0]: block for block in blocks}
    return ''.join(found[name] for name in names)


if __name__ == '__main__':
    sys.stdout.write(entries(sys.argv[1:]))
