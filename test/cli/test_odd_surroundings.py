"""One sentence and the right exit code, whatever the surroundings lack."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from mtscene_ros.cli.main import main
from mtscene_ros.models.child_process import module_command

NODE = module_command('mtscene_ros.ros.node', '--ros-args', '-p', 'backend:=constant')


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))


def last_line(
    command: list[str], drop: tuple[str, ...] = (), before: Callable[[], None] | None = None,
    **more: str,
) -> tuple[int, str]:  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in drop} | more
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, preexec_fn=before
    )
    assert 'Traceback' not in done.stderr
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_log_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    found = last_line(NODE, ROS_LOG_DIR=str(tmp_path / 'file' / 'log'))
    assert found[0] == 1
    assert found[1].startswith('ROS cannot write its log (')
    assert found[1].endswith('; set ROS_LOG_DIR to a folder that can be written.')


def test_neither_home_nor_a_log_folder() -> None:
    code, line = last_line(NODE, drop=('HOME', 'ROS_LOG_DIR'))
    assert (code, 'set ROS_LOG_DIR to a folder' in line) == (1, True)


def test_few_open_files() -> None:
    code, line = last_line(NODE, before=few_files)
    assert (code, line) == (1, 'ROS needs 64 open files, 20 are allowed; run `ulimit -n 1024`.')


def test_a_closed_stdout() -> None:
    code, line = last_line(module_command('mtscene_ros.cli', 'models'), before=lambda: os.close(1))
    assert (code, line) == (0, 'mtscene: standard output is closed, so nothing is printed there.')


@pytest.mark.parametrize(
    'text', ['[' * 9000, '{a: ' * 3000, '&a [*a]', '\x00', '- 1', '2001-99-99']
)
def test_odd_scenarios(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 's.yaml'
    path.write_text(text)
    assert main(['evaluate', '--scenario', str(path), '-o', str(tmp_path / 'r')]) == 2
    said = capsys.readouterr().err
    assert (said.count('\n'), str(path) in said) == (1, True)


def test_a_scenario_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('MTSCENE_MAX_TEXT_MB', '0.0001')
    (tmp_path / 's.yaml').write_text('bags: [a]\n' + '#' * 100)
    assert main(['evaluate', '--scenario', str(tmp_path / 's.yaml'), '-o', str(tmp_path)]) == 2
    assert 'more than the 0.0001 MB that MTSCENE_MAX_TEXT_MB allows' in capsys.readouterr().err


@pytest.mark.parametrize(
    'text',
    [
        '[' * 9000,
        '{',
        '{"format": 1}',
        '{"format": 1, "metrics": 3}',
        '{"format": 1, "sequences": [1]}',
        '{"format": 1, "bag": []}',
    ],
)
def test_odd_metrics(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'metrics.json').write_text(text)
    assert main(['compare', str(tmp_path), str(tmp_path)]) == 2
    assert capsys.readouterr().err.count('\n') == 1
