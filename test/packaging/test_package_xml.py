"""package.xml of this package and of its interface packages, as ROS tools read them."""

import ast
import re
import sys
from pathlib import Path

import pytest

catkin_package = pytest.importorskip('catkin_pkg.package', reason='catkin_pkg is not installed')

ROOT = Path(__file__).parents[2]
FOLDERS = ('.', 'msg/mtscene_msgs', 'msg/vision_msgs')
RELEASED = FOLDERS[:2]


@pytest.mark.parametrize('folder', FOLDERS)
def test_is_valid(folder: str) -> None:
    warnings: list[str] = []
    package = catkin_package.parse_package(str(ROOT / folder), warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == []
    assert package.package_format == 3
    assert package.licenses == ['Apache-2.0']


# Module → key of rosdep, where they differ.
KEYS = {
    'cv2': 'python3-opencv',
    'numpy': 'python3-numpy',
    'rich': 'python3-rich',
    'scipy': 'python3-scipy',
    'tf2_ros': 'tf2_ros_py',
    'yaml': 'python3-yaml',
}
# Of rosdep's keys: what nothing imports, because it is a command.
COMMANDS = {'ros2launch'}
LIVE = ('ros', 'camera')  # rooms that run on the robot whatever else does


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or '' for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split('.')[0] for name in names}


def used(rooms: tuple[str, ...]) -> set[str]:
    """Modules, packages of messages that are imported by their names, of programs, of displays."""
    launch = list((ROOT / 'launch').glob('*.py'))
    package = [p for room in rooms for p in (ROOT / 'mtscene_ros' / room).rglob('*.py')]
    found = set().union(*map(imported, [*launch, *package]))
    for path in (p for p in package if p.parent.name in LIVE):
        found |= set(re.findall(r"'(\w+)/(?:msg|srv)/\w+'", path.read_text()))
    for path in launch:
        found |= set(re.findall(r"package='(\w+)'", path.read_text()))
    found |= set(re.findall(r'Class: (\w+)/', (ROOT / 'rviz/perception.rviz').read_text()))
    return {KEYS.get(name, name) for name in found}


def test_dependencies_are_what_is_used() -> None:
    """Other rooms may import what pip alone has: test_requirements.py."""
    package = catkin_package.parse_package(str(ROOT))
    needed = {dependency.name for dependency in package.exec_depends}
    assert needed - used(('.',)) == COMMANDS
    with_rviz2 = {'rviz_common', 'rviz_default_plugins'}
    other = {'', 'mtscene_ros', 'cv_bridge', *with_rviz2, *sys.stdlib_module_names}
    assert used(LIVE) - needed - other <= {'rosbags', 'tf2_msgs'}
    assert package.get_build_type() == 'ament_python'


def test_building_needs_the_interface_packages() -> None:
    """Otherwise a build farm, which installs no exec_depends, lets setup.py build them."""
    package = catkin_package.parse_package(str(ROOT))
    assert {d.name for d in package.build_depends} == {'mtscene_msgs', 'vision_msgs'}


@pytest.mark.parametrize('folder', RELEASED)
def test_what_a_release_needs(folder: str) -> None:
    package = catkin_package.parse_package(str(ROOT / folder))
    assert package.version == catkin_package.parse_package(str(ROOT)).version
    changes = (ROOT / folder / 'CHANGELOG.rst').read_text()
    assert f'Changelog for package {package.name}\n' in changes
    newest = re.search(r'^(\d+\.\d+\.\d+) \(', changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == package.version
    licence = package.licenses[0].file
    assert (ROOT / folder / licence).read_text() == (ROOT / 'LICENSE').read_text()


@pytest.mark.parametrize(
    'file',
    ['README.md', 'docs/installation.md', 'docker/Dockerfile.gpu', 'docker/Dockerfile.jetson'],
)
def test_rosdep_gets_the_folder_of_the_messages_as_well(file: str) -> None:
    """It does not look for packages inside a package."""
    commands = re.findall(r'rosdep install (?:.*\\\n)*.*', (ROOT / file).read_text())
    commands = [command for command in commands if '--from-paths' in command]
    assert commands
    for command in commands:
        assert re.search(r'--from-paths src src/mtscene_ros/msg\b', command)
