"""Label maps (semantic segmentation, human parts): the graph has taken the argmax; here labels go
to camera pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.spec import Options, classes_from_options
from mtscene_ros.types import CameraFrame, LabelMap
from mtscene_ros.view import View


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A task whose tensors are NAME_labels and NAME_confidence, both uint8."""

    name: str
    NEEDS_INTRINSICS: bool = False

    @property
    def OUTPUTS(self) -> tuple[str, ...]:  # noqa: N802
        return (f'{self.name}_labels', f'{self.name}_confidence')

    def decoder(
        self, options: Options
    ) -> Callable[[Mapping[str, NDArray[Any]], View, CameraFrame], LabelMap]:
        """options: {classes: [{id, name, color_rgb}, ...]}, at most 255 of them."""
        classes = classes_from_options(options)
        if len(classes) > 255:
            raise ValueError(f'{len(classes)} classes do not fit into mono8 labels')

        def decode(outputs: Mapping[str, NDArray[Any]], view: View, _: CameraFrame) -> LabelMap:
            labels, confidence = (view.to_camera(outputs[n], smooth=False) for n in self.OUTPUTS)
            return LabelMap(
                np.asarray(labels, np.uint8), np.asarray(confidence, np.uint8), classes
            )

        return decode
