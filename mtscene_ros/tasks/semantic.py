"""Semantic segmentation: the graph has taken the argmax; here labels go to camera pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.spec import Options, classes_from_options
from mtscene_ros.types import CameraFrame, LabelMap
from mtscene_ros.view import View

OUTPUTS = ('semantic_labels', 'semantic_confidence')
NEEDS_INTRINSICS = False


def decoder(
    options: Options,
) -> Callable[[Mapping[str, NDArray[Any]], View, CameraFrame], LabelMap]:
    """options: {classes: [{id, name, color_rgb}, ...]}, at most 255 of them."""
    classes = classes_from_options(options)
    if len(classes) > 255:
        raise ValueError(f'{len(classes)} classes do not fit into mono8 labels')

    def decode(outputs: Mapping[str, NDArray[Any]], view: View, frame: CameraFrame) -> LabelMap:
        labels, confidence = (view.to_camera(outputs[name], smooth=False) for name in OUTPUTS)
        return LabelMap(np.asarray(labels, np.uint8), np.asarray(confidence, np.uint8), classes)

    return decode
