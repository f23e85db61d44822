"""Parameter files through the real parser of ROS, the node's declaration and what follows."""

from __future__ import annotations

import os
from functools import lru_cache

import rclpy
from hypothesis import strategies as st
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node

from mtscene_ros.ros.camera_input import CameraInput
from mtscene_ros.ros.parameter_table import PARAMETERS
from mtscene_ros.ros.params import ParameterError, declare, policy_of
from mtscene_ros.ros.qos import Incompatible, QosError

from .fuzz_target import Target, written

WORDS = st.sampled_from(
    ['.nan', '.inf', '-.inf', '-1', '0', '1', '1e-310', '9223372036854775807', '1e400', 'true',
     "''", 'raw', 'fp16', '[]', "['']", "['a', 'a']", "['a', '']", "['ä']", "['a__b']", "['_a']",
     "['a b']", "['a/b']", '[1, 2]', '[1.5]', '{a: 1}', '!!binary aGk=', '"\\0"', '0x10', '~']
)  # fmt: skip


@lru_cache(1)
def context() -> rclpy.Context:
    """Of nodes that nobody sees."""
    made, before = rclpy.Context(), os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '')
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'OFF'
    made.init(args=[])
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = before
    return made


def seeds() -> list[bytes]:
    rows = ''.join(f'    {p.name}: {p.default_yaml}\n' for p in PARAMETERS)
    return [f'/**:\n  ros__parameters:\n{rows}'.encode(), b'perception: {ros__parameters: {}}\n']


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Some parameters with other values."""
    names = draw(st.lists(st.sampled_from([p.name for p in PARAMETERS]), max_size=4))
    values = st.one_of(WORDS, st.text('abz_09 ä', max_size=6).map(repr), st.floats().map(str))
    rows = ''.join(f'    {name}: {draw(values)}\n' for name in names)
    return f'/**:\n  ros__parameters:\n{rows}'.encode()


def run(data: bytes) -> None:
    """Declares them in a node and makes what activation makes of them."""
    arguments = ['--ros-args', '--params-file', str(written(data, '.yaml'))]
    try:
        node = Node(
            'perception', context=context(), cli_args=arguments, use_global_arguments=False
        )
    except (rclpy.exceptions.ROSInterruptException, RuntimeError):
        return  # ROS refuses the file, before any code of ours
    try:
        params = declare(node)
        policy_of(params)
        incompatible = Incompatible(node, lambda sentence: None)
        for name in params.cameras:
            camera = CameraInput(node, name, params, lambda *a: None, incompatible)
            camera.close(node)
    finally:
        node.destroy_node()


TARGETS: dict[str, Target] = {
    'parameters': Target(
        seeds, run, (ParameterError, QosError, InvalidParameterTypeException), files, 1500, 0.02
    ),
}
