"""`mtscene run`: the command that it becomes, and that it is the node."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

from mtscene_ros.cli.main import main
from mtscene_ros.cli.middleware import fastdds_profile, with_profile


def command(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(['run', *words, '--dry-run', '--json']) == 0
    return json.loads(capsys.readouterr().out)


def test_nothing_asked_for_is_the_plain_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys) == ['perception_node', '--ros-args']


def test_options_become_parameters_and_remappings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / 'p.yaml'
    file.touch()
    words = ['--image', '/a/b', '--compressed', '--set', 'min_score:=0.5', '--namespace', 'robot1']
    found = command(capsys, *words, '--params-file', str(file), '--remap', '~/points:=/points')
    assert found[2:] == [
        *('--params-file', str(file), '-p', 'image_transport:=compressed'),
        *('-p', 'min_score:=0.5', '-r', 'image:=/a/b', '-r', '~/points:=/points'),
        *('-r', '__ns:=/robot1'),
    ]


def test_a_model_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['run', '--model', 'nowhere.onnx']) == 2
    assert capsys.readouterr().err == 'mtscene run: nowhere.onnx does not exist.\n'


def test_a_chosen_profile_wins() -> None:
    names = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    assert with_profile({}) == dict.fromkeys(names, str(fastdds_profile()))
    for name in names:
        assert with_profile({name: 'theirs.xml'}) == {name: 'theirs.xml'}


def test_it_is_the_node() -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    words = [
        sys.executable,
        '-m',
        'mtscene_ros.cli',
        'run',
        '--image',
        '/eye',
        '--log-level',
        'info',
    ]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if 'Model drive_lite' in line:
            break
        assert 'rror' not in line
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=PATIENCE_S)[1]
    assert (process.returncode, 'Traceback' in rest) == (0, False)
