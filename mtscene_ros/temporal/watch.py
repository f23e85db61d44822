"""What is looked at beside the model, image by image, with a memory for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.network_input import NetworkInput
from mtscene_ros.temporal.image_health import HealthOptions, ImageHealth
from mtscene_ros.types import CameraFrame, Signal

Outputs = Mapping[str, NDArray[Any]]  # tensors of one image, without the batch axis


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is looked at; None for what is not. health: the camera's pictures."""

    health: HealthOptions | None = None


@dataclass(slots=True, eq=False)
class CameraMemory:
    """What is kept of one camera from image to image."""

    health: ImageHealth = field(default_factory=ImageHealth)


@dataclass(slots=True, eq=False)
class Watch:
    """The watch over the cameras of one model; another model starts with an empty one."""

    options: WatchOptions = WatchOptions()
    _cameras: dict[str, CameraMemory] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        return self.options != WatchOptions()

    def signals(
        self, frame: CameraFrame, network_input: NetworkInput, outputs: Outputs
    ) -> tuple[Signal, ...]:
        """Returns how far an image can be trusted.

        network_input: the image at network size; outputs: the model's tensors of this image.
        """
        memory = self._cameras.setdefault(frame.camera, CameraMemory())
        found: list[Signal] = []
        if self.options.health is not None:
            memory.health.options = self.options.health
            shown = np.ascontiguousarray(network_input.shown)
            found += memory.health.signals(shown, frame.stamp_ns)
        return tuple(found)
