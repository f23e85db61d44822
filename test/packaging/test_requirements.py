"""Whatever mtscene_ros imports is declared: in requirements/, package.xml, or as an extra."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Module → name on PyPI, where they differ.
ON_PYPI = {'cv2': 'opencv-python-headless', 'yaml': 'pyyaml'}
# Comes with rclpy's wheels and with every ROS installation (package.xml: python3-yaml).
WITH_ROS = {'yaml'}
# Of extras and other runtimes: files that are imported late, with a sentence where missing.
LATE_ONLY = {'openvino', 'tensorrt', 'rerun', 'moderngl'}


def top_level_imports(path: Path) -> set[str]:
    """Packages that importing the file brings along."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split('.')[0])
    return found - set(sys.stdlib_module_names) - {'mtscene_ros'}


def declared() -> set[str]:
    text = (ROOT / 'requirements' / 'runtime.txt').read_text()
    return set(re.findall(r'^([\w-]+)', text, re.MULTILINE))


def ros_packages() -> set[str]:
    return set(re.findall(r'depend>(\w+)<', (ROOT / 'package.xml').read_text()))


@pytest.mark.parametrize('room', ['robot', 'ros'])
def test_every_import_is_declared(room: str) -> None:
    files = [
        p for p in (ROOT / 'mtscene_ros').rglob('*.py') if ('/ros/' in str(p)) == (room == 'ros')
    ]
    allowed = declared() | (ros_packages() | WITH_ROS if room == 'ros' else set())
    for path in files:
        needed = {ON_PYPI.get(n, n) if n not in allowed else n for n in top_level_imports(path)}
        assert needed - LATE_ONLY <= allowed, path
