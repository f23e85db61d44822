"""CONTRIBUTING.md, followed word by word in a copy of the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .commands import IS_LONG, ROOT, environment

TEXT = (ROOT / 'CONTRIBUTING.md').read_text()
PARTS = [part for part in re.split(r'^## ', TEXT, flags=re.M) if part.startswith('Add ')]
STEP = re.compile(
    r'(?:^`(?P<file>[\w/.]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```', re.M | re.S
)
RUFF = str(Path(sys.executable).with_name('ruff'))  # of this environment, active or not
COPIED = ('mtscene_ros', 'training', 'test', 'docs', 'msg', 'config', 'pyproject.toml')


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The checkout's code, without what it made."""
    for name in COPIED:
        source = ROOT / name
        copied = shutil.copytree if source.is_dir() else shutil.copy
        copied(source, tmp_path / name)
    return tmp_path


def follow(step: re.Match[str], folder: Path) -> str:
    """Writes a file, applies a change or runs commands; what they said. Fails where they fail."""
    if step['file']:
        assert not (folder / step['file']).exists()
        (folder / step['file']).write_text(step['text'])
        return ''
    command = {
        'diff': ['git', 'apply', '-C1', '-'],
        'bash': ['bash', '-eu', '-c', step['text']],
    }
    done = subprocess.run(
        command[step['language']], input=step['text'], cwd=folder, text=True, capture_output=True,
        env=environment() | {'PYTHONPATH': str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, f'{step["text"]}\n{done.stdout[-3000:]}{done.stderr[-3000:]}'
    return done.stdout


@pytest.mark.parametrize('part', PARTS, ids=lambda part: part.split()[2])
def test_the_example_works(part: str, copy: Path) -> None:
    name, steps = part.split()[2], list(STEP.finditer(part))
    if name == 'task' and not IS_LONG:
        pytest.skip('trains for a step, half a minute: `make docs-commands`')
    assert {step['language'] for step in steps} == {'python', 'diff', 'bash'}
    printed = ''.join(follow(step, copy) for step in steps)
    assert {'backend': ' passed', 'data': '2 frames', 'task': 'nearness'}[name] in printed, printed


@pytest.mark.parametrize('part', PARTS, ids=lambda part: part.split()[2])
def test_the_example_keeps_the_rules_of_the_house(part: str, copy: Path) -> None:
    files = [step['file'] for step in STEP.finditer(part) if step['file']]
    for step in STEP.finditer(part):
        if step['file'] or step['language'] == 'diff':
            follow(step, copy)
    changed = re.findall(r'^\+\+\+ b/(\S+)', part, re.M)
    for command in ([RUFF, 'check'], [RUFF, 'format', '--check']):
        done = subprocess.run(
            [*command, *files, *changed], cwd=copy, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stdout


def test_there_are_three_examples() -> None:
    assert [part.split()[2] for part in PARTS] == ['backend', 'data', 'task']
