"""config/sros2_policy.xml allows what the running node uses, and nothing that no node uses."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from conftest import H, W, class_options, tiny_spec

from mtscene_ros.backends import constant
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.models.spec import TensorSpec

from .conftest import Robot

Start = Callable[..., subprocess.Popen[str]]
POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
PARTS = ('labels', 'confidence')
# Of settings that this test does not have: compressed images, TF.
ELSEWHERE = {'/camera/image_raw/compressed', '/tf', '/tf_static'}


def model_of_every_task(folder: Path) -> str:
    """Stored outputs for all tasks of the package and two of somebody's own."""
    classes = {'classes': class_options(DRIVE_BOXES)}
    tasks = {'human_parts': classes, 'walkable': {'kind': 'labels', **classes}}
    tasks |= {'boundary': {}, 'saliency': {}, 'normals': {'signs': [1.0, 1.0, -1.0]}}
    outputs = {f'{t}_{what}': ((H, W), 'uint8') for t in list(tasks)[:2] for what in PARTS}
    outputs |= dict.fromkeys(('boundary', 'saliency', 'wetness'), ((H, W), 'float32'))
    outputs['normals'] = (3, H, W), 'float32'
    tensors = [TensorSpec(name, (-1, *shape), dtype) for name, (shape, dtype) in outputs.items()]
    tiny = tiny_spec()
    all_tasks = {**tiny.tasks, **tasks, 'wetness': {'kind': 'values'}}
    spec = replace(tiny, outputs=(*tiny.outputs, *tensors), tasks=all_tasks)
    stored = {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs}
    constant.write(folder / 'every.npz', spec, stored)
    return str(folder / 'every.npz')


def allowed() -> dict[str, set[str]]:
    """'publish', 'subscribe', 'reply' → full names."""
    [profile] = ElementTree.parse(POLICY).getroot().iter('profile')
    assert profile.attrib == {'ns': '/', 'node': 'perception'}
    found: dict[str, set[str]] = {}
    for group in profile:
        [(access, rule)] = group.attrib.items()
        assert rule == 'ALLOW'
        names = [str(entry.text) for entry in group]
        assert len(set(names)) == len(names)
        found[access] = {f'/{n}' if n[0] != '~' else f'/perception{n[1:]}' for n in names}
    return found


def used(robot: Robot) -> dict[str, set[str]]:
    """The same as the graph has it."""
    node = robot.node
    ask = {
        'publish': node.get_publisher_names_and_types_by_node,
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'reply': node.get_service_names_and_types_by_node,
        'request': node.get_client_names_and_types_by_node,
    }
    return {access: {name for name, _ in f('perception', '/')} for access, f in ask.items()}


def unused(patterns: set[str], names: set[str]) -> set[str]:
    return {p for p in patterns if not any(fnmatch(n, p) for n in names)}


def test_policy_is_what_the_node_uses(start_node: Start, robot: Robot, tmp_path: Path) -> None:
    start_node(model=model_of_every_task(tmp_path), backend='constant', use_sim_time=True)
    robot.wait(lambda: robot.image.get_subscription_count() > 0)
    policy = allowed()
    robot.wait(lambda: 'perception' in robot.node.get_node_names())
    robot.wait(lambda: all(unused(policy[a], used(robot)[a]) <= ELSEWHERE for a in policy))
    graph = used(robot)
    assert graph.pop('request') == set()  # the node asks nobody for anything
    for access, names in graph.items():
        refused = {n for n in names if not any(fnmatch(n, p) for p in policy[access])}
        assert refused == set(), access
