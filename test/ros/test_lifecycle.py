"""States, signals and parameters of the running node."""

import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from patience import PATIENCE_S
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from mtscene_ros.types import CameraFrame

from .conftest import Robot, camera_info, rgb8

Start = Callable[..., subprocess.Popen[str]]


def call(robot: Robot, service_type: type, name: str, request: Any) -> Any:
    """Calls a service of the node and waits for the answer."""
    client = robot.node.create_client(service_type, f'/perception/{name}')
    robot.wait(client.service_is_ready)
    future = client.call_async(request)
    robot.wait(future.done)
    return future.result()


def change(robot: Robot, transition: int) -> bool:
    """Lifecycle transition by its number."""
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(call(robot, ChangeState, 'change_state', request).success)


def frames_through(robot: Robot, frame: CameraFrame, count: int) -> None:
    """Shows images until the node has published `count` answers."""
    for _ in range(count):
        seen = len(robot.got['semantic/image'])
        robot.image.publish(rgb8(frame.rgb, 5))
        robot.wait(lambda seen=seen: len(robot.got['semantic/image']) > seen)


def test_twice_through_all_states(start_node: Start, robot: Robot, frame: CameraFrame) -> None:
    start_node(autostart=False)
    for _ in range(2):
        assert change(robot, Transition.TRANSITION_CONFIGURE)
        assert robot.image.get_subscription_count() == 0
        assert change(robot, Transition.TRANSITION_ACTIVATE)
        robot.wait_for_node()
        frames_through(robot, frame, 2)
        assert change(robot, Transition.TRANSITION_DEACTIVATE)
        assert change(robot, Transition.TRANSITION_CLEANUP)
        robot.wait(lambda: robot.image.get_subscription_count() == 0)


def test_failed_configure_can_be_tried_again(start_node: Start, robot: Robot) -> None:
    start_node(autostart=False, model='/nowhere.onnx')
    assert not change(robot, Transition.TRANSITION_CONFIGURE)
    assert not change(robot, Transition.TRANSITION_CONFIGURE)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_node(start_node: Start, robot: Robot, number: int) -> None:
    process = start_node()
    robot.wait_for_node()
    process.send_signal(number)
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert 'Traceback' not in log


def test_threshold_changes_while_running(
    start_node: Start, robot: Robot, frame: CameraFrame
) -> None:
    start_node()
    robot.wait_for_node()
    robot.calibrate(camera_info(5))
    frames_through(robot, frame, 1)
    for value, accepted in ((0.9, True), (7.0, False)):
        double = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[Parameter(name='min_score', value=double)])
        answer = call(robot, SetParameters, 'set_parameters', request).results[0]
        assert answer.successful == accepted, answer.reason
    frames_through(robot, frame, 1)
    robot.wait(lambda: len(robot.got['detections_3d']) == 2)
    assert [len(m.detections) for m in robot.got['detections_3d']] == [1, 0]
