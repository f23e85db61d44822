"""The part of `mtscene check` that needs ROS: parameter files and live topics."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from mtscene_ros.ros import live_checks
from mtscene_ros.ros.finding import FAIL, OK, WARN
from mtscene_ros.ros.parameter_table import PARAMETERS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node('check_test', context=context)
    node.create_publisher(Image, '/check_test/image', qos_profile_sensor_data)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_the_default_parameters_are_fine() -> None:
    found = live_checks.parameters(ROOT / 'config' / 'perception.yaml')
    assert (found.level, found.found.split(': ')[1]) == (OK, f'{len(PARAMETERS)} parameters')


@pytest.mark.parametrize(
    ('text', 'level', 'reported'),
    [
        ('/**: {ros__parameters: {min_score: 7.0}}', FAIL, 'must lie in 0 to 1'),
        (
            'perception: {ros__parameters: {sync: {polcy: latest}}}',
            WARN,
            'did you mean sync.policy',
        ),
        ('min_score: 0.5', FAIL, 'has no parameters for the node'),
        ('a: [', FAIL, 'cannot be read'),
    ],
)
def test_bad_parameter_files(tmp_path: Path, text: str, level: str, reported: str) -> None:
    (tmp_path / 'p.yaml').write_text(text)
    found = live_checks.parameters(tmp_path / 'p.yaml')
    assert found.level == level
    assert reported in found.found


def test_images_are_told_with_type_and_qos(node: Node) -> None:
    image, info = live_checks.topics(node, '/check_test/image')
    assert image.level == OK
    assert image.found.startswith('sensor_msgs/msg/Image; 1 publisher (best_effort, volatile')
    assert (info.name, info.level) == ('topic /check_test/camera_info', WARN)


def test_camera_info_is_found_beside_the_images(node: Node) -> None:
    node.create_publisher(CameraInfo, '/check_test/camera_info', 1)
    assert [f.level for f in live_checks.topics(node, '/check_test/image')] == [OK, OK]


def test_images_that_nobody_publishes_fail_and_the_others_are_told(node: Node) -> None:
    (found,) = live_checks.topics(node, '/nowhere/image')
    assert found.level == FAIL
    assert '/check_test/image' in found.fix
