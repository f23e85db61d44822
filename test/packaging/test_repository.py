"""What git tracks."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_no_tracked_file_is_one_that_a_program_leaves_behind() -> None:
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout')
    command = ['git', 'ls-files', '--cached', '--ignored', '--exclude-standard']
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == ''
