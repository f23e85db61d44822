"""Trains, scores and exports networks offline; needs torch and is never installed on robots.

Code that a robot runs belongs in mtscene_ros, which must not import anything from here.
"""

import importlib.util
import sys

import mtscene_ros  # noqa: F401  (must precede every import of onnxruntime: it switches telemetry off)

if importlib.util.find_spec('torch'):
    import training.torchvision_cpu  # noqa: F401  (must precede every import of torchvision and timm)
elif '-m' in sys.orig_argv and not any(
    s in w for s in ('.data.', '_data', '.wrap') for w in sys.orig_argv[:4]
):
    raise SystemExit('The programs of training need torch: pip install -r requirements/test.txt.')
