"""Maps of a plural that a user has defined: a number per pixel, in the user's units."""

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
    """A task whose only tensor has the task's name and holds float32."""

    name: str
    NEEDS_INTRINSICS: bool = False

    @property
    def OUTPUTS(self) -> tuple[str, ...]:  # noqa: N802
        return (self.name,)

    def decoder(
        self, options: Options
    ) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], ValueMap]:
        """Returns the function that decodes one image; options: {kind: 'values'}."""

        def decode(
            outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, _: CameraFrame
        ) -> ValueMap:
            found = outputs[self.name].astype(np.float32, copy=False)
            return ValueMap(letterbox.to_camera(found, smooth=True))

        return decode
