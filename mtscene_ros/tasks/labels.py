"""Label maps (semantic segmentation, human parts) in camera pixels; the graph takes the argmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options, classes_from_options
from mtscene_ros.types import UNLABELED, CameraFrame, Ids, LabelMap

MAX_CLASSES = 65535  # the id after the last one stands for unknown


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A task with the tensors NAME_labels and NAME_confidence, both uint8; the labels of more than
    255 classes are int32."""

    name: str
    NEEDS_INTRINSICS: bool = False

    @property
    def OUTPUTS(self) -> tuple[str, ...]:  # noqa: N802
        return (f'{self.name}_labels', f'{self.name}_confidence')

    def decoder(
        self, options: Options
    ) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], LabelMap]:
        """Returns the function that decodes one image.

        options: {classes: [{id, name, color_rgb}, ...]}. Raises ValueError for more than 65535.
        """
        classes = classes_from_options(options)
        if len(classes) > MAX_CLASSES:
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
