"""What becomes of an image's results while an alarm is raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mtscene_ros.types import Boxes3D, LabelMap, Result, Scene, Signal

# Values of the parameter gate.mode → what a sentence about a raised alarm ends with.
EFFECTS = {
    'warn': '',
    'confidence': ' Confidences are lowered (gate.mode).',
    'stop': ' Nothing is published (gate.mode).',
}


def weakened(scene: Scene, raised: Sequence[Signal]) -> Scene:
    """Returns the scene with all confidences and box scores times the smallest factor of the
    raised signals."""
    factor = min((signal.factor for signal in raised), default=1.0)
    return replace(scene, results={k: _scaled(v, factor) for k, v in scene.results.items()})


def _scaled(result: Result, factor: float) -> Result:
    if isinstance(result, LabelMap):
        levels = np.rint(np.arange(256) * factor).astype(np.uint8)
        return replace(result, confidence=levels[result.confidence])
    if isinstance(result, Boxes3D):
        return replace(result, scores=(result.scores * factor).astype(np.float32))
    return result
