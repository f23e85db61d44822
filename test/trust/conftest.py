"""What the tests of trust share: TRUST_SCALE=1 means full size, as `make trust` asks for."""

from __future__ import annotations

import importlib.util
import os

if importlib.util.find_spec('rclpy'):
    from ros.conftest import _context, robot, start_node  # noqa: F401


def times(full: int, sample: int) -> int:
    """How often: at full size, or in the ordinary tests."""
    return full if os.environ.get('TRUST_SCALE') == '1' else sample
