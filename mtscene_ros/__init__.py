"""One network, one look: segmentation, metric depth and 3D boxes as ROS 2 messages.

Importing this package switches the telemetry of ONNX Runtime and OpenVINO off before anything can
import them: what runs on a robot is its owner's business, and a node writes nothing but its log
and its cache. Since 1.29 ONNX Runtime's wheels for Linux send names and digests of models and an
identifier of the machine, which they write below ~/.cache/Microsoft; OpenVINO writes one below
~/intel. A user's own ORT_DISABLE_TELEMETRY stays as it is.

It also limits what OpenCV decodes to the largest max_image_mpx: camera/image_headers.py knows the
headers of JPEG and PNG, but OpenCV reads further formats, in which a small file can claim as much.

For scripts, without ROS:

    with mtscene_ros.open_model() as model:
        scene = model.estimate('photo.jpg', horizontal_fov_deg=70)
    scene.labels, scene.depth_m, scene.boxes

Nothing of it is imported before it is used.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtscene_ros.estimator import SceneModel, open_model
    from mtscene_ros.types import Boxes3D, Intrinsics, Scene

__all__ = ['Boxes3D', 'Intrinsics', 'Scene', 'SceneModel', 'open_model']

os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', '256000000')
# None makes the import fail, for which OpenVINO has a stand-in that does nothing.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]

_MODULES = {
    'open_model': 'mtscene_ros.estimator',
    'SceneModel': 'mtscene_ros.estimator',
    'Scene': 'mtscene_ros.types',
    'Boxes3D': 'mtscene_ros.types',
    'Intrinsics': 'mtscene_ros.types',
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_MODULES[name]), name)
