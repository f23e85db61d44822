"""Asks a running node: its services, its parameters, its diagnostics. For verbs, one call each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from mtscene_msgs.srv import SwapModel
from rcl_interfaces.msg import Parameter, ParameterDescriptor, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import get_parameter_value, parameter_value_to_python
from rclpy.utilities import try_shutdown
from std_srvs.srv import SetBool

ANSWER_S = 10.0  # of services that answer at once
DISCOVERY_S = 5.0
LEVELS = ('ok', 'WARN', 'ERROR')


class NodeCallError(OSError):
    """The node is not there, does not answer or refuses; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One entry of /diagnostics; level: 0 OK, 1 WARN, 2 ERROR."""

    title: str
    level: int
    message: str
    values: Mapping[str, str]


class NodeClient:
    """Talks to one node, for as long as `with` lasts, in a ROS context of its own.

    node: its full name, such as /front/perception. Every call raises NodeCallError.
    """

    def __init__(self, node: str) -> None:
        self.name = f'/{node.strip("/")}'

    def __enter__(self) -> NodeClient:
        self._context = Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node('mtscene_client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        try_shutdown(context=self._context)

    def call(self, kind: Any, service: str, request: Any, timeout_s: float = ANSWER_S) -> Any:
        """Calls a private service of the node and returns its answer."""
        client = self._node.create_client(kind, f'{self.name}/{service}')
        if not client.wait_for_service(DISCOVERY_S):
            raise NodeCallError(
                f'There is no node {self.name} (nobody offers {self.name}/{service}); start it '
                'with `mtscene run`, or name it with --node.'
            )
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_s)
        if not future.done():
            raise NodeCallError(f'{self.name} has not answered {service} within {timeout_s:g} s.')
        return future.result()

    def enable(self, is_enabled: bool) -> str:
        """Lets the node work or pause; returns what it says."""
        answer = self.call(SetBool, 'enable', SetBool.Request(data=is_enabled))
        return self._accepted(answer.success, answer.message)

    def swap(self, model: str, timeout_s: float) -> str:
        """Loads another model into the node; returns what it says once that runs."""
        request = SwapModel.Request(model=model)
        answer = self.call(SwapModel, 'swap_model', request, timeout_s)
        return self._accepted(answer.success, answer.message)

    def _accepted(self, success: bool, message: str) -> str:
        if not success:
            raise NodeCallError(f'{self.name} refuses: {message}')
        return message

    def parameters(self, names: Sequence[str] = ()) -> dict[str, tuple[Any, str]]:
        """Returns the values and descriptions of the named parameters, or of all."""
        if not names:
            listed = self.call(ListParameters, 'list_parameters', ListParameters.Request())
            names = sorted(listed.result.names)
        found = self._described(names)
        values = self.call(GetParameters, 'get_parameters', GetParameters.Request(names=names))
        return {
            name: (parameter_value_to_python(value), about.description)
            for name, value, about in zip(names, values.values, found, strict=True)
        }

    def set_parameters(self, texts: Mapping[str, str]) -> None:
        """Sets all parameters or none; texts: values as in a parameter file."""
        given = [
            Parameter(name=about.name, value=value_of(texts[about.name], about.type))
            for about in self._described(list(texts))
        ]
        request = SetParametersAtomically.Request(parameters=given)
        answer = self.call(SetParametersAtomically, 'set_parameters_atomically', request).result
        self._accepted(answer.successful, answer.reason)

    def _described(self, names: Sequence[str]) -> list[ParameterDescriptor]:
        request = DescribeParameters.Request(names=names)
        answer = self.call(DescribeParameters, 'describe_parameters', request)
        found = list(answer.descriptors)
        # Unknown ones are left out or have no type, depending on the distribution.
        known = {about.name for about in found if about.type != ParameterType.PARAMETER_NOT_SET}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise NodeCallError(
                f'{self.name} has no parameter {", ".join(unknown)}; `mtscene params` lists all.'
            )
        return found

    def status(self, timeout_s: float = DISCOVERY_S) -> list[StatusEntry]:
        """Waits for the node's next diagnostics, which it publishes each second."""
        found: list[StatusEntry] = []

        def on_message(message: DiagnosticArray) -> None:
            found[:] = entries_of(message, self.name) or found

        subscription = self._node.create_subscription(
            DiagnosticArray, '/diagnostics', on_message, 10
        )
        end_s = time.monotonic() + timeout_s
        while not found and time.monotonic() < end_s:
            self._executor.spin_once(0.1)
        self._node.destroy_subscription(subscription)
        if not found:
            raise NodeCallError(
                f'{self.name} has published nothing on /diagnostics for {timeout_s:g} s; start it '
                'with `mtscene run`, or name it with --node.'
            )
        return found


def entries_of(message: DiagnosticArray, node: str) -> list[StatusEntry]:
    """Returns the entries about one node, of its full name."""
    return [
        StatusEntry(
            s.name.removeprefix(f'{node}: '), int(s.level[0]), s.message,
            {v.key: v.value for v in s.values},
        )
        for s in message.status
        if s.name.startswith(f'{node}: ')
    ]  # fmt: skip


def as_dict(entry: StatusEntry) -> dict[str, Any]:
    """Returns an entry for JSON, its level as a word."""
    level = LEVELS[min(entry.level, 2)]
    return {**asdict(entry), 'level': level, 'values': dict(entry.values)}


def value_of(text: str, kind: int) -> ParameterValue:
    """Reads a value as YAML in the type that the parameter has: 1 becomes 1.0 where that is meant,
    and true stays a word."""
    if kind == ParameterType.PARAMETER_STRING:
        return ParameterValue(type=kind, string_value=text)
    found = get_parameter_value(text)
    is_whole = found.type == ParameterType.PARAMETER_INTEGER
    if is_whole and kind == ParameterType.PARAMETER_DOUBLE:
        return ParameterValue(type=kind, double_value=float(found.integer_value))
    return found
