"""Scores of dense tasks over a data set and all processes.

Source: docs/network-specification.md, section 7.

The meters are the robot's (`mtscene_ros.evaluate.scores.meters`, NumPy, sums in float64), so that
a recording and a data set of the same frames get the same scores. The classes here take tensors
and add up the counts of all processes; every process must call `result`. As published, mIoU and F
measures are in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import torch.distributed
from torch import Tensor

from mtscene_ros.evaluate.scores import meters, saliency_meter
from mtscene_ros.types import UNLABELED

UNKNOWN = UNLABELED
M = TypeVar('M', bound=meters.Meter)


class TensorMeter(Protocol):
    """Takes prediction and truth of one image at a time, of equal size."""

    def update(self, prediction: Tensor, truth: Tensor) -> None: ...

    def result(self) -> dict[str, float]: ...


class DistributedMeter:
    """Adapts a meter; blank: creates it, for this process and for the sum of all."""

    def __init__(self, blank: Callable[[], meters.Meter]) -> None:
        self._blank, self._own = blank, blank()

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Raises ValueError for a truth that the meter cannot score."""
        self._own.update(prediction.cpu().numpy(), truth.cpu().numpy())

    def result(self) -> dict[str, float]:
        return added_up(self._own, self._blank()).scores()


def added_up(own: M, blank: M) -> M:
    """Adds what the meters of all processes have counted to the blank one, and returns it."""
    for state in gathered_from_all(own.state()):
        blank.add(state)
    return blank


def gathered_from_all(own: Any) -> list[Any]:
    """Gathers values in the order of the ranks."""
    if not torch.distributed.is_initialized():
        return [own]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, own)
    return parts


def label_meter(names: list[str], scored: Sequence[int] | None = None) -> TensorMeter:
    """Scores (H, W) ids; truth 255 is unknown; scored: see LabelMeter."""
    return DistributedMeter(lambda: meters.LabelMeter(names, scored))


def value_meter() -> TensorMeter:
    """Scores the (H, W) numbers of a user's own task; NaN is unknown."""
    return DistributedMeter(lambda: meters.SumMeter('values'))


METERS: dict[str, Callable[[], TensorMeter]] = {
    'depth': lambda: DistributedMeter(meters.DepthMeter),
    'normals': lambda: DistributedMeter(lambda: meters.SumMeter('normals')),
    'saliency': lambda: DistributedMeter(saliency_meter.SaliencyMeter),
}
