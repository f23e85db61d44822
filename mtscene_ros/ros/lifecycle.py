"""A guard that rclpy's lifecycle nodes lack."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode


def guard_transitions(node: LifecycleNode) -> None:
    """Refuses transitions that the current state does not allow.

    rclpy 7.1 raises in the service instead, which ends the node and leaves the caller waiting.
    """
    service = node._service_change_state
    change = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except Exception as error:  # rclpy's RCLError is private
            first_line = str(error).splitlines()[0]
            node.get_logger().error(
                f'Transition {request.transition.id} was refused: {first_line}'
            )
            response.success = False
            return response

    service.callback = guarded
