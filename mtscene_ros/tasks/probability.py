"""Probability maps (boundary, saliency) in camera pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options
from mtscene_ros.types import CameraFrame, ProbabilityMap


@dataclass(frozen=True, slots=True)
class ProbabilityTask:
    """A task whose only tensor has the task's name and holds floats in [0, 1]."""

    name: str
    NEEDS_INTRINSICS: bool = False

    @property
    def OUTPUTS(self) -> tuple[str, ...]:  # noqa: N802
        return (self.name,)

    def decoder(
        self, options: Options
    ) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], ProbabilityMap]:
        """Returns the function that decodes one image; it needs no options."""

        def decode(
            outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, _: CameraFrame
        ) -> ProbabilityMap:
            found = outputs[self.name].astype(np.float32, copy=False)
            return ProbabilityMap(letterbox.to_camera(found, smooth=True))

        return decode
