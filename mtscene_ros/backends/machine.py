"""Describes this machine, for reports of measurements."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone


def machine() -> str:
    """Returns date, processor architecture, number of cores and load."""
    when = datetime.now(timezone.utc).date().isoformat()
    load = os.getloadavg()[0]
    return f'{when}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}'
