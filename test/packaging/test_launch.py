"""The launch file by its text: `launch` comes with ROS installations only."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
# CONVENTIONS.md, section 5.
ARGUMENTS = [
    'namespace',
    'params_file',
    'use_sim_time',
    'autostart',
    'use_respawn',
    'log_level',
    'model',
    'backend',
    'precision',
    'image_topic',
    'camera_info_topic',
    'image_transport',
    'rviz',
]


def launch_tree() -> ast.Module:
    path = ROOT / 'launch' / 'perception.launch.py'
    return compile(path.read_text(), str(path), 'exec', ast.PyCF_ONLY_AST)


def strings_given_to(function: str) -> set[str]:
    calls = [node for node in ast.walk(launch_tree()) if isinstance(node, ast.Call)]
    named = [
        call for call in calls if isinstance(call.func, ast.Name) and call.func.id == function
    ]
    return {c.args[0].value for c in named if c.args and isinstance(c.args[0], ast.Constant)}


def test_declared_arguments() -> None:
    tables = [
        node.value
        for node in launch_tree().body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'ARGUMENTS'
    ]
    names = [ast.literal_eval(row.elts[0]) for row in tables[0].elts]
    assert names == ARGUMENTS


def test_every_argument_is_used() -> None:
    used = strings_given_to('LaunchConfiguration') | strings_given_to('override')
    assert used == set(ARGUMENTS)
