"""The rows of the parameter table about what is looked at beside the model."""

from __future__ import annotations

from mtscene_ros.ros.parameter_row import Parameter
from mtscene_ros.temporal.gate import EFFECTS

WATCH_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        'temporal.enabled',
        False,
        '-',
        'blend labels, depth and other maps with those of the images before, along the optical '
        'flow, so that they flicker less',
        dynamic=True,
    ),
    Parameter(
        'camera_health.enabled',
        False,
        '-',
        'warn of images that are black, saturated, badly exposed, covered, blurred, banded or '
        'frozen',
        dynamic=True,
    ),
    Parameter(
        'camera_health.frozen_s',
        2.0,
        's',
        'the same image for longer counts as frozen; 0: never, as for a simulated camera',
        limits=(0, 3600),
        dynamic=True,
    ),
    Parameter(
        'camera_health.max_edge_width_px',
        6.0,
        'px',
        'wider edges count as blurred, measured at the size of the network input',
        limits=(1, 100),
        dynamic=True,
    ),
    Parameter(
        'novelty.enabled',
        False,
        '-',
        'warn of images unlike those that the model was trained on; needs MODEL.novelty.json '
        'beside the model file',
        dynamic=True,
    ),
    Parameter(
        'novelty.limit',
        1.0,
        '-',
        'novelty beyond which an image is unlike them; 1: one training image in 100 is',
        limits=(0.1, 100),
        dynamic=True,
    ),
    Parameter(
        'gate.mode',
        'warn',
        '-',
        'while an alarm of camera_health or novelty is raised; warn: publish as ever; '
        'confidence: lower confidences and scores; stop: publish nothing, the image counts as '
        'dropped',
        values=tuple(EFFECTS),
        dynamic=True,
    ),
)
