"""Label maps (semantic segmentation, human parts): the graph has taken the argmax; here labels go
to camera pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options, classes_from_options
from mtscene_ros.types import UNLABELED, CameraFrame, Ids, LabelMap

MOST_CLASSES = 65535  # the number after the last one stands for unknown


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A task whose tensors are NAME_labels and NAME_confidence: uint8, labels of more than 255
    classes int32."""

    name: str
    NEEDS_INTRINSICS: bool = False

    @property
    def OUTPUTS(self) -> tuple[str, ...]:  # noqa: N802
        return (f'{self.name}_labels', f'{self.name}_confidence')

    def decoder(
        self, options: Options
    ) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], LabelMap]:
        """options: {classes: [{id, name, color_rgb}, ...]}, at most 65535 of them."""
        classes = classes_from_options(options)
        if len(classes) > MOST_CLASSES:
            raise ValueError(f'{len(classes)} classes do not fit into 16UC1 labels')
        few = len(classes) <= UNLABELED

        def decode(
            outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, _: CameraFrame
        ) -> LabelMap:
            labels, confidence = (
                letterbox.to_camera(outputs[n], smooth=False) for n in self.OUTPUTS
            )
            ids: Ids = np.asarray(labels, np.uint8) if few else np.asarray(labels, np.uint16)
            return LabelMap(ids, np.asarray(confidence, np.uint8), classes)

        return decode
