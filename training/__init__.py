"""Trains, scores and exports networks offline; needs torch and is never installed on robots.

Code that a robot runs belongs in mtscene_ros, which must not import anything from here.
"""

import mtscene_ros  # noqa: F401  (must precede every import of onnxruntime: it switches telemetry off)
import training.torchvision_cpu  # noqa: F401  (must precede every import of torchvision and timm)
