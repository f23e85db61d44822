"""Dense tasks that users define, learned from the maps of a manifest: classes, or one number per
pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import CompactConfig, OwnTask
from training.data.sample import Sample
from training.tasks.semantic import best_class, class_table, cross_entropy

UNKNOWN = 255


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """Cross entropy over the task's own classes."""

    task: OwnTask

    @property
    def NAME(self) -> str:  # noqa: N802
        return self.task.name

    def channels(self, config: CompactConfig) -> tuple[int, int]:
        return len(self.task.classes), len(self.task.classes)

    def initialise(self, early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
        """Keeps PyTorch's defaults."""

    def targets(
        self, sample: Sample, config: CompactConfig, rng: np.random.Generator
    ) -> dict[str, NDArray[Any]]:
        """labels: (H/2, W/2) int64, one random pixel of every 2x2."""
        row, column = rng.integers(2, size=2)
        labels = sample.maps.get(self.task.name)
        if labels is None:
            labels = np.full(sample.labels.shape, UNKNOWN, np.uint8)
        return {'labels': labels[row::2, column::2].astype(np.int64)}

    def loss(self, prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """(B, C, h, w) logits at half the targets' resolution → scalar."""
        logits = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
        return cross_entropy(logits, targets['labels'], self.equal(logits))

    def preliminary_loss(self, prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
        coarse = at_cell_centres(targets['labels'], prediction)
        return cross_entropy(prediction.float(), coarse, self.equal(prediction))

    def equal(self, like: Tensor) -> Tensor:
        return torch.ones(len(self.task.classes), device=like.device)

    def dense_decode(self, prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
        """(B, C, h, w) → labels and confidence (B, 2h, 2w) uint8."""
        logits = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')
        labels, confidence = best_class(logits)
        return {f'{self.NAME}_labels': labels, f'{self.NAME}_confidence': confidence}

    def options(self, config: CompactConfig) -> dict[str, Any]:
        return {'kind': 'labels', 'classes': class_table(self.task.classes)}


@dataclass(frozen=True, slots=True)
class OwnValues:
    """Absolute difference of values scaled to mean 0 and deviation 1 over the labelled pixels."""

    task: OwnTask

    @property
    def NAME(self) -> str:  # noqa: N802
        return self.task.name

    def channels(self, config: CompactConfig) -> tuple[int, int]:
        return 1, 1

    def initialise(self, early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
        """Starts at zero, the mean of the labels."""
        for head in (early, late):
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def targets(
        self, sample: Sample, config: CompactConfig, rng: np.random.Generator
    ) -> dict[str, NDArray[Any]]:
        """values: (H/2, W/2) float32, NaN unknown; one random pixel of every 2x2."""
        row, column = rng.integers(2, size=2)
        values = sample.maps.get(self.task.name)
        if values is None:
            values = np.full(sample.labels.shape, np.nan, np.float32)
        scaled = (values[row::2, column::2] - self.task.mean) / self.task.deviation
        return {'values': scaled.astype(np.float32)}

    def loss(self, prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """(B, 1, h, w) at half the targets' resolution → mean over known pixels."""
        enlarged = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
        return mean_difference(enlarged[:, 0], targets['values'])

    def preliminary_loss(self, prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
        return mean_difference(
            prediction[:, 0].float(), at_cell_centres(targets['values'], prediction)
        )

    def dense_decode(self, prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
        """(B, 1, h, w) → values (B, 2h, 2w) in the user's units."""
        enlarged = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')[:, 0]
        return {self.NAME: enlarged * self.task.deviation + self.task.mean}

    def options(self, config: CompactConfig) -> dict[str, Any]:
        return {'kind': 'values'}


def at_cell_centres(fine: Tensor, coarse: Tensor) -> Tensor:
    """Samples (B, H, W) at the centres of the cells of (B, C, h, w)."""
    step = fine.shape[1] // coarse.shape[2]
    return fine[:, step // 2 :: step, step // 2 :: step]


def mean_difference(prediction: Tensor, truth: Tensor) -> Tensor:
    known = torch.isfinite(truth)
    gap = torch.where(known, prediction - truth, 0.0).abs()
    return gap.sum() / known.sum().clamp(min=1)
