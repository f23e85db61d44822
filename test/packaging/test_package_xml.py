"""package.xml of this package and of its interface packages, as ROS tools read them."""

import re
from pathlib import Path

import pytest

catkin_package = pytest.importorskip('catkin_pkg.package', reason='catkin_pkg is not installed')

ROOT = Path(__file__).parents[2]
FOLDERS = ('.', 'msg/mtscene_msgs', 'msg/vision_msgs')


@pytest.mark.parametrize('folder', FOLDERS)
def test_is_valid(folder: str) -> None:
    warnings: list[str] = []
    package = catkin_package.parse_package(str(ROOT / folder), warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == []
    assert package.package_format == 3
    assert package.licenses == ['Apache-2.0']


def test_dependencies() -> None:
    package = catkin_package.parse_package(str(ROOT))
    needed = {dependency.name for dependency in package.exec_depends}
    assert needed >= {'rclpy', 'sensor_msgs', 'vision_msgs', 'mtscene_msgs', 'python3-opencv'}
    assert package.get_build_type() == 'ament_python'


def test_versions_agree() -> None:
    version = catkin_package.parse_package(str(ROOT)).version
    assert catkin_package.parse_package(str(ROOT / 'msg/mtscene_msgs')).version == version
    newest = re.search(r'^(\d+\.\d+\.\d+) \(', (ROOT / 'CHANGELOG.rst').read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version
