"""Notices that a runtime hangs and reports it.

Nothing in this process can end a call into a runtime that does not return. The node goes on
without it: it counts images, answers services, reports ERROR in /diagnostics, can be deactivated,
cleaned up and configured again, and ends at SIGINT. Only with `watchdog.exit` does it end by
itself, so that `use_respawn` of the launch file can restart it.
"""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

LAST_WAIT_S = 3.0  # at the end of the process; `ros2 launch` escalates after 5 s


class Watchdog:
    """Logs when the worker hangs and when it returns; check it every second."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger, self._is_hanging = logger, False

    def check(self, busy_s: float, timeout_s: float) -> str:
        """Returns one sentence while the runtime hangs, else ''.

        busy_s: time spent on the current batch; timeout_s: 0 for never.
        """
        was_hanging, self._is_hanging = self._is_hanging, 0 < timeout_s < busy_s
        if self._is_hanging:
            sentence = (
                f'The runtime has not returned for {busy_s:.0f} s (watchdog.timeout_s '
                f'{timeout_s:g}): it hangs, or the model is too large for this machine.'
            )
            if not was_hanging:
                self._logger.error(f'{sentence} Restart the node, or call cleanup and configure.')
            return sentence
        if was_hanging:
            self._logger.info('The runtime has returned.')
        return ''


def patience_s(busy_s: float, timeout_s: float) -> float | None:
    """Returns how long a transition waits for the current batch; None for as long as it takes."""
    return max(0.5, timeout_s - busy_s) if timeout_s else None
