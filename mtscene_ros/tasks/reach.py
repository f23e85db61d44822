"""How far a model sees with a certain lens.

The reason: docs/architecture.md, section Depth and boxes under another camera.
"""

from __future__ import annotations

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.tasks.depth import camera_scale
from mtscene_ros.types import CameraFrame

METRIC = {'depth': 'depth', 'boxes3d': 'boxes'}


def reach_m(spec: ModelSpec, frame: CameraFrame, *, stretched: bool = False) -> dict[str, float]:
    """Returns task → metres up to which it gives results for such images.

    frame: one of a calibrated camera. A model states its range for the focal length of its
    training; at half of it everything looks half as near.
    """
    height_px, width_px = frame.rgb.shape[:2]
    letterbox = Letterbox(width_px, height_px, spec.width_px, spec.height_px, stretched)
    return {
        task: float(options['max_m']) * camera_scale(frame, letterbox, float(options['focal_px']))
        for task in METRIC
        if (options := spec.tasks.get(task, {})) and {'max_m', 'focal_px'} <= options.keys()
    }


def reach_sentence(spec: ModelSpec, frame: CameraFrame, *, stretched: bool = False) -> str:
    """Returns 'Depth reaches to 16.7 m, boxes to 13.3 m with this lens (...).', '' for a camera
    that is not calibrated or a model without metres."""
    found = reach_m(spec, frame, stretched=stretched) if frame.intrinsics else {}
    if not found or frame.intrinsics is None:
        return ''
    text = ', '.join(f'{METRIC[task]} to {far_m:.1f} m' for task, far_m in found.items())
    text = text.replace(' to ', ' reaches to ' if text.startswith('depth') else ' reach to ', 1)
    i = frame.intrinsics
    return (
        f'{text[0].upper()}{text[1:]} with this lens (fx {i.fx_px:.1f} px in {i.width_px} px '
        'of width).'
    )
