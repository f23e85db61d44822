"""Commands that README and the pages show: extracted, and run one block after the other.

A block that is not simply run says why in a comment on the line before it, which no page shows:
`<!-- tests: not run, needs a Jetson -->`, `<!-- tests: slow, trains -->` (only `make
docs-commands` runs it), `<!-- tests: until stopped -->` (started, then stopped by Ctrl-C).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
IS_LONG = bool(os.environ.get('MTSCENE_DOCS_COMMANDS'))  # make docs-commands
OTHERS = ('devices', 'concepts', 'bundled-model', 'networks', 'training', 'runtimes')
PAGES = [
    ROOT / 'README.md',
    *sorted((ROOT / 'docs' / 'tutorials').glob('*.md')),
    *sorted((ROOT / 'docs' / 'howto').glob('*.md')),
    *(ROOT / 'docs' / f'{name}.md' for name in OTHERS),
]
FENCE = re.compile(
    r'^(?:<!-- tests: (?P<marker>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```',
    re.M | re.S,
)
NOT_RUN, SLOW, UNTIL_STOPPED = 'not run, ', 'slow, ', 'until stopped'
LANGUAGES = {'bash': ['bash', '-euo', 'pipefail', '-c'], 'python': [sys.executable, '-c']}
STARTED_S = 8.0


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    marker: str
    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    """Those of one page, in their order."""
    name = str(page.relative_to(ROOT))
    return [
        Block(name, found['marker'] or '', found['language'], found['code'])
        for found in FENCE.finditer(page.read_text())
    ]


def environment() -> dict[str, str]:
    """That of somebody who has activated the virtual environment, in this checkout."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    return {**os.environ, 'PATH': path, 'PYTHONPATH': str(ROOT), 'VIRTUAL_ENV': sys.prefix}


def run(block: Block, folder: Path) -> None:
    """Raises AssertionError with what a block said that failed, or that ended by itself although
    it runs until it is stopped. Of `make`, the plan is made, in the checkout."""
    command = [*LANGUAGES[block.language], block.code]
    if block.marker == UNTIL_STOPPED:
        _run_until_stopped(block, command, folder)
        return
    if all(line.startswith('make ') for line in block.code.splitlines()):
        command, folder = [*LANGUAGES['bash'], block.code.replace('make ', 'make -n ')], ROOT
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=1800
    )
    printed = f'{done.stdout[-1000:]}{done.stderr[-2000:]}'
    assert done.returncode == 0, f'{block.page}:\n{block.code}\n{printed}'


def _run_until_stopped(block: Block, command: list[str], folder: Path) -> None:
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        process.wait(STARTED_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    ended = process.returncode is not None
    printed = process.communicate(timeout=120)[0]
    assert not ended, f'{block.page}: ended by itself:\n{block.code}\n{printed[-2000:]}'
