"""Requests of any content: answered or lost, and the node lives."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from mtscene_msgs.srv import SwapModel
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool

from mtscene_ros.ros.requests import spin_once
from mtscene_ros.ros.troubles import Troubles

from .conftest import log_of
from .fleet import Fleet

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    made = Fleet(('',), ('debug/frame_stats',))
    yield made
    made.node.destroy_node()


def parameter(name: str, **value: object) -> Parameter:
    return Parameter(name=name, value=ParameterValue(**value))


def odd_parameters() -> list[Parameter]:
    """Every type number with empty values, unknown ones, odd names, the clock's."""
    types = [parameter('min_score', type=number) for number in (*range(11), 77, 255)]
    names = ['', 'x' * 60000, 'a b', '\x1b]0;x', 'cameras', 'model', 'use_sim_time']
    strings = [parameter(name, type=ParameterType.PARAMETER_STRING) for name in names]
    return types + strings + [parameter('min_score', type=3, double_value=float('nan'))]


def test_odd_requests_are_answered(start_node: Start, fleet: Fleet) -> None:
    process = start_node()
    odd = odd_parameters()
    for one in odd:
        request = SetParameters.Request(parameters=[one])
        [result] = fleet.call(SetParameters, 'set_parameters', request).results
        if one.name == 'min_score':
            assert result.successful == (one.value.type in (2, 3) and one is not odd[-1]), one
    atomic = fleet.call(
        SetParametersAtomically,
        'set_parameters_atomically',
        SetParametersAtomically.Request(parameters=odd),
    )
    assert not atomic.result.successful
    names = [one.name for one in odd]
    fleet.call(GetParameters, 'get_parameters', GetParameters.Request(names=names))
    fleet.call(DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=names))
    listed = ListParameters.Request(prefixes=names, depth=2**64 - 1)
    fleet.call(ListParameters, 'list_parameters', listed)
    assert process.poll() is None


def test_odd_requests_to_the_nodes_own_services(start_node: Start, fleet: Fleet) -> None:
    process = start_node()
    for path in ('/', '/proc/self/mem', 'x' * 5000, '\n', '/dev/zero', 'a\\b.onnx'):
        assert not fleet.call(SwapModel, 'swap_model', SwapModel.Request(model=path)).success
    for number in (0, 77, 255):
        change = ChangeState.Request(transition=Transition(id=number, label='x' * 9000))
        assert not fleet.call(ChangeState, 'change_state', change).success
    assert process.poll() is None
    assert 'Traceback' not in log_of(process)


def test_what_rclpy_cannot_read_costs_one_request() -> None:
    """As if a request could not be made a Python object; the service answers the next one."""
    node = rclpy.create_node('odd', start_parameter_services=False)
    executor, troubles = SingleThreadedExecutor(), Troubles(node.get_logger())
    service = node.create_service(SetBool, 'odd_service', lambda _, response: response)
    client = node.create_client(SetBool, 'odd_service')
    executor.add_node(node)
    kind, service.srv_type = service.srv_type, SimpleNamespace(Request=None)
    future = client.call_async(SetBool.Request())
    for turn in range(200):
        spin_once(executor, troubles, 0.1)
        if turn == 40:
            assert not future.done()
            service.srv_type = kind
            future = client.call_async(SetBool.Request())
        if future.done():
            break
    assert future.result() is not None
    executor.shutdown()
    node.destroy_node()
