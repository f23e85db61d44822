"""Offline training, evaluation and export; needs torch and is not installed on robots."""

import training.torchvision_cpu  # noqa: F401  (must precede every import of torchvision and timm)
