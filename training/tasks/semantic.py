"""Semantic segmentation: cross entropy per pixel, unlabeled pixels left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.types import UNLABELED, SemanticClass
from training.config import CompactConfig
from training.data.sample import Sample

NAME = 'semantic'


def channels(config: CompactConfig) -> tuple[int, int]:
    return len(config.classes), len(config.classes)


def initialise(early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
    """PyTorch's defaults."""


def targets(
    sample: Sample, config: CompactConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """labels: (H/2, W/2) int64; one pixel of every 2x2 at random, so that edges stay in place."""
    row, column = rng.integers(2, size=2)
    return {'labels': sample.labels[row::2, column::2].astype(np.int64)}


def loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """(B, C, h, w) logits at half the targets' resolution, (B, 2h, 2w) labels → mean nats."""
    logits = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
    return cross_entropy(logits, targets['labels'])


def preliminary_loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    step = targets['labels'].shape[1] // prediction.shape[2]
    coarse = targets['labels'][:, step // 2 :: step, step // 2 :: step]
    return cross_entropy(prediction.float(), coarse)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over labeled pixels; zero where there are none."""
    count = (labels != UNLABELED).sum().clamp(min=1)
    return F.cross_entropy(logits, labels, ignore_index=UNLABELED, reduction='sum') / count


def dense_decode(prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
    """(B, C, h, w) → labels and confidence (B, 2h, 2w) uint8."""
    logits = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')
    best, labels = logits.softmax(1).max(1)
    confidence = (best * 255).round()
    return {
        'semantic_labels': labels.to(torch.uint8),
        'semantic_confidence': confidence.to(torch.uint8),
    }


def options(config: CompactConfig) -> dict[str, Any]:
    return {'classes': class_table(config.classes)}


def class_table(classes: tuple[SemanticClass, ...]) -> list[dict[str, Any]]:
    return [{'id': c.id, 'name': c.name, 'color_rgb': list(c.color_rgb)} for c in classes]
