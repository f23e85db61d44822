"""Arguments that ROS cannot use are one sentence, not a traceback."""

import subprocess
import sys

import pytest

from mtscene_ros.ros.start import refusal


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        (
            "failed to initialize rcl: Couldn't parse log level: '--log-level loud'. Error: Arg"
            'ument is no level, at /project/src/rcl/arguments.c:1858, at /project/src/a.c:441',
            "Couldn't parse log level: '--log-level loud'. Error: Argument is no level.",
        ),
        ("['--bogus']", "ROS knows no arguments ['--bogus']."),
    ],
)
def test_refusal(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_a_parameter_file_that_is_not_there() -> None:
    command = [sys.executable, '-m', 'mtscene_ros.ros.node', '--ros-args', '--params-file', '/no']
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, 'Traceback' in done.stderr) == (1, False)
    assert "Couldn't parse params file: '--params-file /no'" in done.stderr
