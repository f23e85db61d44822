"""An own task as channels, what Visual Token Matching predicts: maps of numbers in [0, 1].

A class is a channel that is 1 where the class is; a number per pixel is one channel, scaled to the
range that the labels have (Kim et al., ICLR 2023). Where that range is wide, as that of distances
is, the logarithm is scaled, so that what is near counts as much as what is far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtscene_ros.types import UNLABELED, SemanticClass
from training.tasks.semantic import class_table

NOT_KNOWN = -1.0
LEAST_RANGE = 1e-6  # of labels that are all the same
WIDE_RANGE = 10.0  # largest by smallest label from which on the logarithm is taken


@dataclass(frozen=True, slots=True)
class ChannelTask:
    """classes: () for a number per pixel, which then lies between low and high; logarithmic: its
    logarithm is scaled to [0, 1]."""

    name: str
    classes: tuple[SemanticClass, ...] = ()
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False

    @property
    def channels(self) -> int:
        return max(1, len(self.classes))

    def labels(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """(H, W) ids, 255 unknown, or numbers, NaN unknown → (T, H, W) in [0, 1], -1 unknown."""
        if self.classes:
            ids = np.arange(self.channels)[:, None, None]
            known, found = values != UNLABELED, (values == ids).astype(np.float32)
        else:
            known = np.isfinite(values)
            filled = np.where(known, values, self.low)
            found = self.scaled(filled.astype(np.float64)).astype(np.float32)[None]
        return np.where(known, np.clip(found, 0, 1), np.float32(NOT_KNOWN))

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers → [0, 1] between low and high, beyond them outside."""
        if self.logarithmic:
            positive = np.maximum(values, self.low)
            return np.asarray(np.log(positive / self.low) / log(self.high / self.low))
        return (values - self.low) / (self.high - self.low)

    @property
    def line(self) -> tuple[float, float]:
        """Factor and offset that make a number, or its logarithm, of what lies in [0, 1]."""
        if self.logarithmic:
            return log(self.high / self.low), log(self.low)
        return self.high - self.low, self.low

    def decode(self, probability: Tensor, line: Tensor) -> dict[str, Tensor]:
        """(B, T, H, W) in [0, 1] and `line` (2,) → the tensors of the model file. The confidence
        of a class is its share of what all classes get."""
        if not self.classes:
            number = probability[:, 0] * line[0] + line[1]
            return {self.name: number.exp() if self.logarithmic else number}
        best, labels = probability.max(1)
        kind = torch.uint8 if self.channels <= UNLABELED else torch.int32
        share = 255 * best / probability.sum(1)
        return {
            f'{self.name}_labels': labels.to(kind),
            f'{self.name}_confidence': share.round().to(torch.uint8),
        }

    def options(self) -> dict[str, Any]:
        """What the model file says about the task."""
        if not self.classes:
            return {'kind': 'values'}
        return {'kind': 'labels', 'classes': class_table(self.classes)}


def channel_task(
    name: str, classes: tuple[SemanticClass, ...], maps: Sequence[NDArray[Any]]
) -> ChannelTask:
    """maps: the labels of all support frames. Raises ValueError where they know no pixel."""
    if classes:
        known = any((values != UNLABELED).any() for values in maps)
    else:
        numbers = [values[np.isfinite(values)] for values in maps]
        known = any(len(found) for found in numbers)
    if not known:
        raise ValueError(f'No pixel of {name} is labelled in the support frames; label some.')
    if classes:
        return ChannelTask(name, classes)
    together = np.concatenate(numbers).astype(np.float64)
    low, high = float(together.min()), float(together.max())
    high = max(high, low + LEAST_RANGE * max(1.0, abs(low)))
    return ChannelTask(name, (), low, high, low > 0 and high > WIDE_RANGE * low)
