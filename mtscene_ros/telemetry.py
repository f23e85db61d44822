"""Runtimes that report to their makers are told not to, before anything imports them: what runs on
a robot is nobody else's business, and a node writes nothing but its log and its cache.

Since 1.29 ONNX Runtime's wheels for Linux send names and digests of models and an identifier of
the machine, which they write below ~/.cache/Microsoft; OpenVINO writes one below ~/intel.
"""

from __future__ import annotations

import os
import sys


def switch_off() -> None:
    """Before the first import of the runtimes. A user's own ORT_DISABLE_TELEMETRY stays."""
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    # None makes its import fail, for which OpenVINO has a stand-in that does nothing.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
