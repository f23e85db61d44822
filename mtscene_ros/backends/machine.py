"""Which machine this is."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone


def machine() -> str:
    when = datetime.now(timezone.utc).date().isoformat()
    load = os.getloadavg()[0]
    return f'{when}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}'
