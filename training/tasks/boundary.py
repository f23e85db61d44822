"""Boundaries of classes and objects, learned by cross entropy with more weight on boundaries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import CompactConfig
from training.data.sample import Sample
from training.losses import IGNORED, edge_loss

NAME = 'boundary'
TYPICAL_PROBABILITY = 0.1


def channels(config: CompactConfig) -> tuple[int, int]:
    return 1, 1


def initialise(early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
    for head in (early, late):
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        nn.init.constant_(head.bias, math.log(TYPICAL_PROBABILITY / (1 - TYPICAL_PROBABILITY)))


def targets(
    sample: Sample, config: CompactConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """boundary: (1, H/2, W/2) float32; of each 2x2 pixels 1 if any is a boundary, else 255 if any
    is unknown, else 0."""
    height_px, width_px = sample.labels.shape
    if sample.boundary is None:
        return {'boundary': np.full((1, height_px // 2, width_px // 2), IGNORED, np.float32)}
    cells = sample.boundary.reshape(height_px // 2, 2, width_px // 2, 2)
    merged = np.where((cells == 1).any((1, 3)), 1, cells.max((1, 3)))
    return {'boundary': merged[None].astype(np.float32)}


def loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """(B, 1, h, w) logits at half the targets' resolution → scalar."""
    enlarged = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
    return edge_loss(enlarged, targets['boundary'])


def preliminary_loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """A coarse cell is a boundary if any of its pixels is; otherwise it equals its centre
    pixel."""
    step = targets['boundary'].shape[2] // prediction.shape[2]
    fine = targets['boundary']
    has_boundary = F.max_pool2d((fine == 1).float(), step)
    coarse = fine[:, :, step // 2 :: step, step // 2 :: step]
    return edge_loss(prediction.float(), coarse.where(has_boundary == 0, 1.0))


def dense_decode(prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
    """(B, 1, h, w) logits → probability (B, 2h, 2w)."""
    enlarged = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')
    return {'boundary': enlarged[:, 0].sigmoid()}


def options(config: CompactConfig) -> dict[str, Any]:
    return {}
