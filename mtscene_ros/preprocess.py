"""CameraFrame → NetworkInput."""

from __future__ import annotations

from mtscene_ros.spec import ModelSpec
from mtscene_ros.types import CameraFrame, NetworkInput
from mtscene_ros.view import View


def prepare(
    frame: CameraFrame, spec: ModelSpec, *, stretched: bool = False, output_scale: float = 1.0
) -> NetworkInput:
    """Scales the image into the network's input; normalisation happens inside the graph."""
    height, width = frame.rgb.shape[:2]
    view = View(width, height, spec.width_px, spec.height_px, stretched, output_scale)
    return NetworkInput(view.to_network(frame.rgb), view)
