"""Launch files and their parameter files: by their text everywhere, by `launch` where it is."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from ament_index_python import packages

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
# docs/conventions.md, section 5.
ARGUMENTS = {
    'perception': """namespace params_file use_sim_time autostart use_respawn log_level model
        backend
        precision image_topic camera_info_topic image_transport rviz""",
    'multi_camera': 'cameras image_name camera_info_name sync_policy sync_max_skew_ms',
    'replay': 'bag output image_topic camera_info_topic timeout_s',
    'nav2_semantic': 'params_file',
}


def tree_of(name: str) -> ast.Module:
    path = ROOT / 'launch' / f'{name}.launch.py'
    return compile(path.read_text(), str(path), 'exec', ast.PyCF_ONLY_AST)


def names_in(name: str) -> set[str]:
    return {node.id for node in ast.walk(tree_of(name)) if isinstance(node, ast.Name)}


def declared(name: str) -> list[str]:
    """First strings of the rows of ARGUMENTS, or of the one declaration that stands alone."""
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'ARGUMENTS':
            return [ast.literal_eval(row.elts[0]) for row in node.value.elts]
    calls = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
    return [c.args[0].value for c in calls if ast.unparse(c.func) == 'DeclareLaunchArgument']


def test_there_are_four() -> None:
    assert {path.name.removesuffix('.launch.py') for path in FILES} == set(ARGUMENTS)


@pytest.mark.parametrize('name', ARGUMENTS)
def test_declared_arguments(name: str) -> None:
    assert declared(name) == ARGUMENTS[name].split()


@pytest.mark.parametrize('name', ARGUMENTS)
def test_every_argument_is_used(name: str) -> None:
    nodes = list(ast.walk(tree_of(name)))
    read = [a for node in nodes if isinstance(node, ast.Call) for a in node.args]
    read += [node.slice for node in nodes if isinstance(node, ast.Subscript)]
    texts = {each.value for each in read if isinstance(each, ast.Constant)}
    assert set(ARGUMENTS[name].split()) <= texts


@pytest.mark.parametrize('name', ARGUMENTS)
def test_nothing_is_evaluated_and_the_checks_come_first(name: str) -> None:
    assert not names_in(name) & {'PythonExpression', 'Command', 'eval', 'exec'}
    returned = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Return)]
    assert 'return LaunchDescription([first, description])' in map(ast.unparse, returned)


def description_of(name: str) -> Any:
    pytest.importorskip('launch_ros', reason='launch_ros comes with ROS installations only')
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    source = PythonLaunchDescriptionSource(str(ROOT / 'launch' / f'{name}.launch.py'))
    return source.try_get_launch_description_without_context()


@pytest.mark.parametrize('name', ARGUMENTS)
def test_the_real_launch_reads_it(name: str) -> None:
    found = {argument.name for argument in description_of(name).get_launch_arguments()}
    assert found >= set(ARGUMENTS[name].split())
    assert found >= set(ARGUMENTS['perception'].split())  # each of them includes it


def launched(name: str, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of the real launch and the commands of what it started."""
    description = description_of(name)
    import launch

    started: list[str] = []

    def on_start(event: Any, context: Any) -> Any:
        started.append(' '.join(event.cmd))
        return launch.actions.EmitEvent(event=launch.events.Shutdown())

    handler = launch.event_handlers.OnProcessStart(on_start=on_start)
    service = launch.LaunchService(argv=arguments, noninteractive=True)
    given = [launch.actions.SetLaunchConfiguration(*word.split(':=')) for word in arguments]
    register = launch.actions.RegisterEventHandler(handler)
    service.include_launch_description(launch.LaunchDescription([register, *given, description]))
    return service.run(), started


@pytest.mark.parametrize(
    ('name', 'argument'),
    [
        ('perception', 'rviz:=true'),
        ('perception', 'modle:=x.onnx'),
        ('perception', 'params_file:=/nowhere.yaml'),
        ('multi_camera', 'rviz:=true'),
        ('multi_camera', 'image_topic:=/camera/image_raw'),
        ('multi_camera', 'log_level:=loud'),
        ('nav2_semantic', 'rviz:=1'),
        ('replay', 'namespace:=robot1'),
        ('replay', 'autostart:=false'),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(name: str, argument: str) -> None:
    if argument.startswith('rviz') and packages.get_packages_with_prefixes().get('rviz2'):
        pytest.skip('rviz2 is installed here')
    given = ['bag:=drive.mcap', argument] if name == 'replay' else [argument]
    assert launched(name, *given) == (1, [])


def test_cameras_may_have_any_name_and_all_arguments_of_one_camera_hold() -> None:
    given = ('cameras:=[hand, on]', 'image_transport:=compressed', 'camera_info_name:=info')
    _, [command] = launched('multi_camera', *given)
    for name in ('hand', 'on'):
        assert f'-r {name}/image:={name}/image_raw' in command
        assert f'-r {name}/camera_info:={name}/info' in command
    assert "-p cameras:=['hand', 'on']" in command
    assert '-p image_transport:=compressed' in command


def test_rviz_shows_the_first_of_several_cameras() -> None:
    assigned = [node for node in ast.walk(tree_of('multi_camera')) if isinstance(node, ast.Assign)]
    [shown] = [node.value for node in assigned if ast.unparse(node.targets[0]) == 'SHOWN']
    topics = {node.value for node in ast.walk(shown) if isinstance(node, ast.Constant)}
    configuration = (ROOT / 'rviz' / 'perception.rviz').read_text()
    assert topics == set(re.findall(r': perception/(\S+)', configuration))
