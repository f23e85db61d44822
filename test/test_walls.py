"""What an import brings along, and names that say where a thing lives.

The walls themselves are contracts of import-linter (`.importlinter`), which reads every file; here
a fresh interpreter shows that nothing arrives through a library.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WALLED = ('rclpy', 'torch', 'tensorrt', 'onnxruntime', 'onnx', 'rosbags', 'scipy')
# Twins by design: the robot's side and the training side of a task, a verb and its program.
TWINS = {
    *((f'mtscene_ros/tasks/{n}.py', f'training/tasks/{n}.py') for n in ('boxes3d', 'depth')),
    ('mtscene_ros/tasks/normals.py', 'training/tasks/normals.py'),
    ('mtscene_ros/cli/evaluate.py', 'training/evaluate.py'),
}
MAX_LINES = 300  # of a file: more than that nobody reads in one go
ENTRIES = 16  # at the root of the package: what a newcomer can take in at a glance


def sources() -> list[Path]:
    found = [p for room in ('mtscene_ros', 'training') for p in (ROOT / room).rglob('*.py')]
    return sorted(path.relative_to(ROOT) for path in found)


def twice(named: dict[str, list[str]]) -> dict[str, list[str]]:
    return {k: v for k, v in named.items() if len(v) > 1 and tuple(v) not in TWINS}


@pytest.mark.parametrize(
    ('module', 'allowed'),
    [
        ('mtscene_ros.estimator', ()),
        ('mtscene_ros.worlds.drive', ()),
        ('mtscene_ros.temporal.tracking', ()),
        ('mtscene_ros.backends.onnxruntime', ('onnxruntime',)),
        ('mtscene_ros.camera.outputs', ()),
        ('mtscene_ros.evaluate.run.bag', ('rosbags',)),
    ],
)
def test_what_an_import_brings_along(module: str, allowed: tuple[str, ...]) -> None:
    code = f'import sys, {module}; print(*(m for m in {WALLED} if m in sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) <= set(allowed)


def test_no_file_is_too_long_to_read() -> None:
    lines = {p: len((ROOT / p).read_text().splitlines()) for p in sources()}
    assert {p: n for p, n in lines.items() if n > MAX_LINES} == {}
    assert len(lines) > 250


def test_no_two_modules_of_one_name() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        if path.stem not in ('__init__', '__main__'):
            named[path.name].append(path.as_posix())
    assert twice(named) == {}
    assert twice({'a.py': ['x/a.py', 'y/a.py']}) != {}


def test_no_two_classes_of_one_name() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.ClassDef):
                named[node.name].append(path.as_posix())
    assert twice(named) == {}


def test_few_entries_at_the_root_and_every_room_says_what_it_is_for() -> None:
    entries = [p for p in (ROOT / 'mtscene_ros').iterdir() if p.name != '__pycache__']
    assert len(entries) <= ENTRIES
    for folder in {path.parent for path in sources()}:
        purpose = ast.get_docstring(ast.parse((ROOT / folder / '__init__.py').read_text()))
        assert purpose is not None, folder
        assert purpose.count('.') >= 2, folder
