"""One network, one look: segmentation, metric depth and 3D boxes as ROS 2 messages.

Importing this package switches the telemetry of ONNX Runtime and OpenVINO off before anything can
import them: what runs on a robot is its owner's business, and a node writes nothing but its log
and its cache. Since 1.29 ONNX Runtime's wheels for Linux send names and digests of models and an
identifier of the machine, which they write below ~/.cache/Microsoft; OpenVINO writes one below
~/intel. A user's own ORT_DISABLE_TELEMETRY stays as it is.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
# None makes the import fail, for which OpenVINO has a stand-in that does nothing.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
