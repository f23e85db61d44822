"""Modules in the current folder, as a recording's folder may hold, are not imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtscene_ros.models import child_process
from mtscene_ros.models.child_process import code_command, module_command

LURES = ('runpy', 'struct', 'pickle', 'socket', 'multiprocessing', 'numpy', 'yaml', 'rclpy')
SPAWN = """
import os, sys
from mtscene_ros.models import child_process
if __name__ == '__main__':
    child_process.HAS_SAFE_PATH = sys.argv[1] == 'True'
    spawn = child_process.spawning()
    if not child_process.HAS_SAFE_PATH:
        del os.environ['PYTHONSAFEPATH']  # of which Python 3.10 knows nothing
    process = spawn.Process(target=print)
    process.start()
    process.join()
    raise SystemExit(process.exitcode)
"""


@pytest.fixture
def lure(tmp_path: Path) -> Path:
    """A folder in which an import of many a module leaves the file RAN."""
    for name in LURES:
        (tmp_path / f'{name}.py').write_text(f'open({str(tmp_path / "RAN")!r}, "w")\n')
    return tmp_path


def ended(command: list[str], folder: Path) -> str:
    """What it prints, without having run a file of the folder."""
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONSAFEPATH'}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, (folder / 'RAN').exists()) == (0, False), done.stderr
    return done.stdout


@pytest.mark.parametrize('has_option', [child_process.HAS_SAFE_PATH, False])
def test_commands(lure: Path, has_option: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option of Python 3.11 and as 3.10 does it."""
    monkeypatch.setattr(child_process, 'HAS_SAFE_PATH', has_option)
    code = 'import struct, sys; print(sys.argv[1:])'
    assert ended(code_command(code, 'a', 'b'), lure) == "['a', 'b']\n"
    (lure / 'x.json').write_text('[1]')
    assert ended(module_command('json.tool', 'x.json', '--compact'), lure) == '[1]\n'


def test_the_folder_would_run(lure: Path) -> None:
    """Plain `python -c` runs it: the lures are good ones."""
    subprocess.run([sys.executable, '-c', 'import numpy'], cwd=lure, check=True)
    assert (lure / 'RAN').exists() == ('PYTHONSAFEPATH' not in os.environ)


@pytest.mark.parametrize('has_option', [child_process.HAS_SAFE_PATH, False])
def test_processes_of_multiprocessing(
    lure: Path, tmp_path_factory: pytest.TempPathFactory, has_option: bool
) -> None:
    script = tmp_path_factory.mktemp('script') / 'spawn.py'
    script.write_text(SPAWN)
    assert ended([sys.executable, str(script), str(has_option)], lure) == '\n'


def test_mtscene_check(lure: Path) -> None:
    """Its child is the one that was found to run a numpy.py."""
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    command = [str(Path(sys.executable).with_name('mtscene')), 'check', '--json']
    subprocess.run(command, cwd=lure, capture_output=True)
    assert not (lure / 'RAN').exists()
