"""What a fuzzed entry point is: bytes in, an answer or a refusal out."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis.strategies import SearchStrategy

# Text that readers of JSON and YAML have fallen for: depth, numbers, names for one another.
HOSTILE_TEXT = [
    b'[' * 1200,
    b'{"a":' * 600,
    b'Infinity',
    b'1e999',
    b'9' * 6000,
    b'"\\ud800"',
    b'{"format_version": Infinity}',
    b'{"format_version": 1, "name": 0, "version": 0, "commit": 0, "outputs": [], '
    b'"input": {"name": "x", "shape": [-1, 1, 1, 3], "dtype": "uint8"}}',
    b'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nsemantic: [*c, *c]\nframes: [1]\n',
    b'&a [*a]',
    b'2001-99-99',
    b'!!python/object/apply:os.system ["true"]',
    b'!!binary x',
    b'? [a]\n: b',
]


@dataclass(frozen=True, slots=True)
class Target:
    """seeds: well-formed inputs, small; run: does with the bytes what the package does with them
    and raises nothing but `refusals`; structure: strategy of well-formed inputs with hostile
    values; most_bytes: longest input of the coverage-guided run; share: of a campaign's inputs;
    is_text: HOSTILE_TEXT is tried as well; environment: of the campaign's processes."""

    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...] = ()
    structure: Callable[[], SearchStrategy[bytes]] | None = None
    most_bytes: int = 4096
    share: float = 1.0
    is_text: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def first_inputs(self) -> list[bytes]:
        """Where the campaign begins."""
        return self.seeds() + (HOSTILE_TEXT if self.is_text else [])


def scratch_of(pid: int) -> Path:
    """The folder of a process."""
    memory = Path('/dev/shm')
    where = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return where / f'mtscene_fuzz_{pid}'


def scratch(suffix: str) -> Path:
    """A file of this process in memory, for readers that want a path."""
    folder = scratch_of(os.getpid())
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / f'input{suffix}'


def written(data: bytes, suffix: str) -> Path:
    """The bytes as a file."""
    path = scratch(suffix)
    path.write_bytes(data)
    return path
