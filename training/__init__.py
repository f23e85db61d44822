"""Offline training, evaluation and export; needs torch and is not installed on robots."""

import mtscene_ros  # noqa: F401  (must precede every import of onnxruntime: it switches telemetry off)
import training.torchvision_cpu  # noqa: F401  (must precede every import of torchvision and timm)
