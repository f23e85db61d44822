"""What the launch files refuse before they start anything."""

from pathlib import Path

import pytest

from mtscene_ros.ros.launch_checks import (
    LaunchError,
    camera_names,
    check_arguments,
    check_parameter,
    check_programs,
    check_values,
    is_started,
    node_programs,
)

FILE = '/opt/share/mtscene_ros/launch/multi_camera.launch.py'
ROS2 = ['/opt/ros/jazzy/bin/ros2', 'launch']


@pytest.mark.parametrize(
    ('words', 'started'),
    [
        ([*ROS2, 'mtscene_ros', 'multi_camera.launch.py', 'rviz:=true'], True),
        ([*ROS2, FILE], True),
        ([*ROS2, 'my_robot', 'multi_camera.launch.py'], False),  # includes ours
        ([*ROS2, 'my_robot', 'robot.launch.xml'], False),
        (['/usr/bin/my_launch.py', 'test_launch.py'], True),
    ],
)
def test_arguments_of_another_launch_file_are_its_own(words: list[str], started: bool) -> None:
    assert is_started(FILE, words) is started


def test_an_argument_that_would_be_ignored_is_refused() -> None:
    useless = {'image_topic': 'see image_name.'}
    check_arguments(FILE, ['rviz', 'image_topic'], useless, ['rviz:=true', 'launch-prefix:=x'])
    with pytest.raises(LaunchError, match=r'py has no argument rvz; did you mean rviz\?'):
        check_arguments(FILE, ['rviz'], useless, ['rvz:=true'])
    with pytest.raises(LaunchError, match='no argument image_topic; see image_name'):
        check_arguments(FILE, ['rviz', 'image_topic'], useless, ['image_topic:=/a'])


@pytest.mark.parametrize(
    ('argument', 'value', 'sentence'),
    [
        ('rviz', 'yes', "rviz is 'yes'; it must be true or false."),
        ('use_sim_time', '', "use_sim_time is ''; it must be true or false."),
        (
            'log_level',
            'loud',
            "log_level is 'loud'; it must be debug, info, warn, error or fatal.",
        ),
        ('precision', 'fp8', "Parameter precision is 'fp8'; it must be one of auto, file, fp32"),
        ('model', '/no.onnx', "model is '/no.onnx', which is not a file."),
        ('params_file', '/no.yaml', 'params_file /no.yaml cannot be read: No such file or dir'),
    ],
)
def test_values(argument: str, value: str, sentence: str) -> None:
    with pytest.raises(LaunchError) as raised:
        check_values({argument: value})
    assert str(raised.value).startswith(sentence)


def test_values_that_do() -> None:
    check_values({'autostart': '', 'rviz': 'False', 'log_level': 'perception:=DEBUG', 'model': ''})


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('a: [', 'is no YAML file: .* in line 1'),
        ('', 'it names no node'),
        ('ros__parameters: {min_score: 0.5}', 'it names no node'),
        ('/camera: {ros__parameters: {fps: 30}}', 'it is about /camera'),
    ],
)
def test_a_file_without_parameters(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / 'p.yaml').write_text(text)
    with pytest.raises(LaunchError, match=why):
        check_values({'params_file': str(tmp_path / 'p.yaml')})


@pytest.mark.parametrize(
    'name', ['/**', 'perception', '/robot1/perception', 'robot1: {perception']
)
def test_a_file_about_the_node(tmp_path: Path, name: str) -> None:
    end = '}' * name.count('{')
    (tmp_path / 'p.yaml').write_text(f'{{{name}: {{ros__parameters: {{min_score: 0.5}}}}{end}}}')
    check_values({'params_file': str(tmp_path / 'p.yaml')})


def test_names_of_cameras() -> None:
    assert camera_names('[hand, on, no, null, e1]') == ['hand', 'on', 'no', 'null', 'e1']
    for text in ('hand', '[a-b]', '[a, a]', '[]', '[', "['']", '{a: b}'):
        with pytest.raises(LaunchError, match='cameras'):
            camera_names(text)


def test_numbers() -> None:
    check_parameter({'sync_max_skew_ms': '30'}, 'sync_max_skew_ms', 'sync.max_skew_ms')
    for value in ('x', '5000'):
        with pytest.raises(LaunchError, match='must'):
            check_parameter({'sync_max_skew_ms': value}, 'sync_max_skew_ms', 'sync.max_skew_ms')


def test_programs() -> None:
    check_programs(node_programs({'rviz': 'false'}))
    assert node_programs({'rviz': '1'})[1:] == [('rviz2', 'rviz2')]
    with pytest.raises(LaunchError, match=r'The package no_rviz is not installed: install no_rv'):
        check_programs([('no_rviz', 'rviz2')])
    with pytest.raises(LaunchError, match=r'has no executable nothing: install mtscene_ros and'):
        check_programs([('mtscene_ros', 'nothing')])
