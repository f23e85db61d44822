"""Launch files and their parameter files: by their text everywhere, by `launch` where it is."""

import ast
from pathlib import Path

import pytest
import yaml

from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.ros.params import complaint

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
# docs/conventions.md, section 5.
ARGUMENTS = {
    'perception': """namespace params_file use_sim_time autostart use_respawn log_level model
        backend
        precision image_topic camera_info_topic image_transport rviz""",
    'multi_camera': """namespace cameras image_name sync_policy sync_max_skew_ms params_file
        use_sim_time use_respawn log_level""",
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
    calls = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
    texts = {a.value for call in calls for a in call.args if isinstance(a, ast.Constant)}
    assert set(ARGUMENTS[name].split()) <= texts


@pytest.mark.parametrize('name', ARGUMENTS)
def test_substitutions_are_plain(name: str) -> None:
    assert not names_in(name) & {'OpaqueFunction', 'PythonExpression', 'Command', 'eval', 'exec'}


@pytest.mark.parametrize('name', ARGUMENTS)
def test_the_real_launch_reads_it(name: str) -> None:
    pytest.importorskip('launch_ros', reason='launch_ros comes with ROS installations only')
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    path = ROOT / 'launch' / f'{name}.launch.py'
    source = PythonLaunchDescriptionSource(str(path))
    description = source.try_get_launch_description_without_context()
    found = {argument.name for argument in description.get_launch_arguments()}
    assert found >= set(ARGUMENTS[name].split())
    assert name not in ('replay', 'nav2_semantic') or 'model' in found  # of perception.launch.py


def parameters_in(file: str) -> dict:
    return yaml.safe_load((ROOT / 'config' / file).read_text())


def test_parameters_beside_nav2_are_ours() -> None:
    values = parameters_in('nav2_perception.yaml')['/**']['ros__parameters']
    assert values['output_scale'] == 0.25
    assert [complaint(name, value) for name, value in values.items()] == ['', '']


def test_the_costmap_knows_every_class_of_the_bundled_model_once() -> None:
    costmap = parameters_in('nav2_costmap.yaml')['local_costmap']['local_costmap']
    source = costmap['ros__parameters']['semantic_layer']['camera']
    named = [name for kind in source['class_types'] for name in source[kind]['classes']]
    classes = spec_of_file('').tasks['semantic']['classes']
    assert sorted(named) == sorted(c['name'] for c in classes)


def test_the_costmap_listens_to_our_topics() -> None:
    costmap = parameters_in('nav2_costmap.yaml')['local_costmap']['local_costmap']
    source = costmap['ros__parameters']['semantic_layer']['camera']
    topics = {key: value for key, value in source.items() if key.endswith('_topic')}
    assert topics == {
        'segmentation_topic': '/perception/semantic/image',
        'confidence_topic': '/perception/semantic/confidence',
        'labels_topic': '/perception/semantic/label_info',
        'pointcloud_topic': '/perception/points',
    }
