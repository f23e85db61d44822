"""What is looked at beside the model, image by image, with a memory for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.network_input import NetworkInput
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.temporal.image_features import needed
from mtscene_ros.temporal.image_health import HealthOptions, ImageHealth
from mtscene_ros.temporal.novelty import Novelty, NoveltyError, read_novelty
from mtscene_ros.temporal.steady import Steady
from mtscene_ros.types import CameraFrame, Signal

Outputs = Mapping[str, NDArray[Any]]  # tensors of one image, without the batch axis


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is looked at; None for what is not.

    health: the camera's pictures; novelty_limit: how unlike the training images an image may be,
    in limits of the model's statistics; is_steady: outputs are blended with those before.
    """

    health: HealthOptions | None = None
    novelty_limit: float | None = None
    is_steady: bool = False


@dataclass(slots=True, eq=False)
class CameraMemory:
    """What is kept of one camera from image to image."""

    health: ImageHealth = field(default_factory=ImageHealth)
    steady: Steady = field(default_factory=Steady)


def is_metric(spec: ModelSpec) -> bool:
    """Tells whether the output `depth` holds metres, not disparity."""
    return str(spec.tasks.get('depth', {}).get('convention', 'metric')) == 'metric'


@dataclass(slots=True, eq=False)
class Watch:
    """The watch over the cameras of one model; another model starts with an empty one.

    model_path: of the model file, whose statistics are read when they are first needed; remark:
    why there are none, '' where there are.
    """

    spec: ModelSpec
    model_path: str = ''
    options: WatchOptions = WatchOptions()
    remark: str = ''
    _novelty: Novelty | None = None
    _cameras: dict[str, CameraMemory] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        return self.options != WatchOptions()

    def outputs(self) -> tuple[str, ...]:
        """Returns the outputs that are needed beside those of the wanted tasks."""
        return needed(self.spec) if self._statistics() is not None else ()

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
        novelty = self._statistics()
        if novelty is not None and self.options.novelty_limit is not None:
            limit = self.options.novelty_limit
            found.append(novelty.signal(network_input, outputs, self.spec, limit))
        return tuple(found)

    def steadied(
        self, frame: CameraFrame, network_input: NetworkInput, outputs: Outputs
    ) -> Outputs:
        """Returns the outputs of an image, blended with those before where that is wanted."""
        memory = self._cameras.setdefault(frame.camera, CameraMemory())
        if not self.options.is_steady:
            memory.steady.last = None
            return outputs
        memory.steady.is_metric = is_metric(self.spec)
        return memory.steady.update(frame, network_input, outputs)

    def _statistics(self) -> Novelty | None:
        """Returns the statistics where they are wanted, and reads them once."""
        if self.options.novelty_limit is None:
            self.remark = ''
            return None
        if self._novelty is None and not self.remark:
            try:
                self._novelty = read_novelty(self.model_path, self.spec)
            except NoveltyError as error:
                self.remark = str(error)
        return self._novelty
