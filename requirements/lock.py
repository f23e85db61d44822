"""requirements/*.txt → lock.txt: exact versions and checksums, for x86_64 Linux.

python requirements/lock.py UV    (`make lock` does it)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NO_DEPS = HERE / 'no_deps.txt'
HEAD = """\
# Exact versions and checksums of everything in the other files of this folder, for x86_64 Linux
# and Python 3.11 or 3.12: pip install --require-hashes --no-deps -r requirements/lock.txt
# Made by `make lock`.
"""
OPTIONS = (
    '--generate-hashes', '--python-version=3.11', '--python-platform=x86_64-manylinux_2_28',
    '--no-header', '--no-annotate', '--no-emit-index-url', '--no-emit-find-links', '--quiet',
)  # fmt: skip


def resolved(uv: str, *arguments: str) -> str:
    """What uv prints for these files."""
    command = [uv, 'pip', 'compile', *OPTIONS, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(uv: str) -> None:
    files = sorted(p for p in HERE.glob('*.txt') if p.name != 'lock.txt' and p != NO_DEPS)
    text = resolved(uv, *map(str, files)) + resolved(uv, '--no-deps', str(NO_DEPS))
    (HERE / 'lock.txt').write_text(HEAD + text)


if __name__ == '__main__':
    main(sys.argv[1])
