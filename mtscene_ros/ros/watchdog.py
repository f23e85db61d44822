"""Whether the worker comes back: a runtime that hangs is told of, and can be left behind.

Nothing in this process can end a call into a runtime that does not return. The node goes on
without it: it counts images, answers services, says ERROR in /diagnostics, can be deactivated,
cleaned up and configured anew, and ends at SIGINT. Only `watchdog.exit` ends it by itself, for
whoever starts it again (`use_respawn` of the launch file).
"""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

LAST_WAIT_S = 3.0  # at the end of the process; `ros2 launch` escalates after 5 s


class Watchdog:
    """Asked every second; logs when the worker is held up and when it comes back."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger, self._is_hanging = logger, False

    def look(self, busy_s: float, timeout_s: float) -> str:
        """busy_s: of the batch in work; timeout_s: 0 = never → '' or one sentence."""
        was_hanging, self._is_hanging = self._is_hanging, 0 < timeout_s < busy_s
        if self._is_hanging:
            sentence = (
                f'The runtime has not come back for {busy_s:.0f} s (watchdog.timeout_s '
                f'{timeout_s:g}): it hangs, or the model is too large for this machine.'
            )
            if not was_hanging:
                self._logger.error(f'{sentence} Start the node again, or cleanup and configure.')
            return sentence
        if was_hanging:
            self._logger.info('The runtime has come back.')
        return ''


def patience_s(busy_s: float, timeout_s: float) -> float | None:
    """How long a transition waits for the batch in work; None = as long as it takes."""
    return max(0.5, timeout_s - busy_s) if timeout_s else None
