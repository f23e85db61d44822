"""Keeps what one request or message does wrong to that request.

rclpy passes an exception of a callback on to whoever spins, which would end the node: a parameter
request with an unknown type number is enough.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.executors import Executor, ShutdownException, TimeoutException
from rclpy.node import Node
from rclpy.service import Service
from rclpy.subscription import Subscription

from mtscene_ros.models.array_file import first_line
from mtscene_ros.ros.troubles import Troubles


def spin_once(executor: Executor, troubles: Troubles, timeout_s: float) -> None:
    """Runs one callback. The exception of a request or message is logged and costs only that."""
    entity: Any
    try:
        task, entity, _ = executor.wait_for_ready_callbacks(timeout_sec=timeout_s)
    except (ShutdownException, TimeoutException):
        return
    task()
    error = task.exception()
    if error is None:
        return
    if not isinstance(error, Exception) or not isinstance(entity, Service | Subscription):
        raise error
    troubles.warn(f'A message to {name_of(entity)} is lost: {sentence(error)}')
    if entity._executor_event:  # it failed before rclpy let go of it: while it was read
        entity._executor_event = False
        entity.callback_group.ending_execution(entity)


def name_of(entity: Service | Subscription) -> str:
    return str(entity.srv_name if isinstance(entity, Service) else entity.topic_name)


def sentence(error: Exception) -> str:
    return f'{type(error).__name__}: {first_line(error)}.'


def answer_all(node: Node, troubles: Troubles) -> None:
    """Makes the services that the node has so far refuse what their callbacks raise for."""
    for service in node.services:
        answer: Any = refusing(service, service.callback, troubles)
        service.callback = answer


def refusing(
    service: Service, callback: Callable[[Any, Any], Any], troubles: Troubles
) -> Callable[[Any, Any], Awaitable[Any]]:
    """Returns a callback that answers with a refusal where `callback` raises."""

    async def answer(request: Any, response: Any) -> Any:
        try:
            answered = callback(request, response)
            return await answered if inspect.isawaitable(answered) else answered
        except Exception as error:
            troubles.warn(f'A request to {name_of(service)} is refused: {sentence(error)}')
            return refusal(service.srv_type, request, sentence(error))

    return answer


def refusal(kind: Any, request: Any, reason: str) -> Any:
    """Returns a response that says no: with the reason for parameters, else an empty one."""
    response, refused = kind.Response(), SetParametersResult(successful=False, reason=reason)
    if kind is SetParameters:
        response.results = [refused] * len(request.parameters)
    elif kind is SetParametersAtomically:
        response.result = refused
    return response
