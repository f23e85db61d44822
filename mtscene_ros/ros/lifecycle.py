"""What rclpy's lifecycle lacks."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode


def guard_transitions(node: LifecycleNode) -> None:
    """A transition that the state does not allow is refused. rclpy 7.1 raises in the service,
    which ends the node and leaves the caller waiting."""
    service = node._service_change_state
    change = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except Exception as error:  # rclpy's RCLError is private
            first_line = str(error).splitlines()[0]
            node.get_logger().error(f'Transition {request.transition.id} is refused: {first_line}')
            response.success = False
            return response

    service.callback = guarded
