"""Maps of a quantity that the user defined: a number per pixel, in the user's units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options
from mtscene_ros.types import CameraFrame, ValueMap


@dataclass(frozen=True, slots=True)
class ValueTask:
    """A task whose only tensor has its name: float32."""

    name: str
    NEEDS_INTRINSICS: bool = False

    @property
    def OUTPUTS(self) -> tuple[str, ...]:  # noqa: N802
        return (self.name,)

    def decoder(
        self, options: Options
    ) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], ValueMap]:
        """options: {kind: 'values'}."""

        def decode(
            outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, _: CameraFrame
        ) -> ValueMap:
            found = outputs[self.name].astype(np.float32, copy=False)
            return ValueMap(letterbox.to_camera(found, smooth=True))

        return decode
