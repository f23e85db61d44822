"""Scores of dense tasks over a data set, of all processes together.

Source: docs/network-specification.md, section 7.

The meters are the robot's (`mtscene_ros.evaluate.scores.meters`, NumPy, sums in float64), so that
a recording and a data set of the same frames have the same scores; here they take tensors, and
what all processes have counted is added up. `result` is to be called by every process. In percent:
mIoU, F measures; as published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch.distributed
from torch import Tensor

from mtscene_ros.evaluate.scores import meters
from mtscene_ros.types import UNLABELED

UNKNOWN = UNLABELED


class TensorMeter(Protocol):
    """Takes predictions and truth of one image at a time, of equal size."""

    def update(self, prediction: Tensor, truth: Tensor) -> None: ...

    def result(self) -> dict[str, float]: ...


class Gathered:
    """blank: makes the meter, of this process and of all together."""

    def __init__(self, blank: Callable[[], meters.Meter]) -> None:
        self._blank, self._own = blank, blank()

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Raises ValueError for a truth that the meter cannot score."""
        self._own.update(prediction.cpu().numpy(), truth.cpu().numpy())

    def result(self) -> dict[str, float]:
        total = self._blank()
        for state in of_every_process(self._own.state()):
            if state:
                total.add(state)
        return total.scores()


def of_every_process(own: Any) -> list[Any]:
    """In the order of their ranks."""
    if not torch.distributed.is_initialized():
        return [own]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, own)
    return parts


def label_meter(names: list[str]) -> TensorMeter:
    """(H, W) ids; truth 255 unknown."""
    return Gathered(lambda: meters.LabelMeter(names))


def value_meter() -> TensorMeter:
    """(H, W) numbers of a user's own task; NaN unknown."""
    return Gathered(lambda: meters.SumMeter('values'))


METERS: dict[str, Callable[[], TensorMeter]] = {
    'depth': lambda: Gathered(meters.DepthMeter),
    'normals': lambda: Gathered(lambda: meters.SumMeter('normals')),
    'saliency': lambda: Gathered(meters.SaliencyMeter),
}
