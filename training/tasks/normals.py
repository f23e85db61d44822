"""Surface normals, learned like InvPT and TaskPrompter do by the L1 distance of unit vectors.

Optical frame (x right, y down, z forward), towards the camera; every pixel has one except the sky.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import CompactConfig
from training.data.sample import Sample
from training.losses import IGNORED, normals_loss

NAME = 'normals'
TYPICAL = (0.0, 0.0, -1.0)  # facing the camera


def channels(config: CompactConfig) -> tuple[int, int]:
    return 3, 3


def initialise(early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
    for head in (early, late):
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        with torch.no_grad():
            head.bias.copy_(torch.tensor(TYPICAL))


def targets(
    sample: Sample, config: CompactConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """normals: (3, H/2, W/2) float32 unit, 255 unknown; one random pixel of every 2x2."""
    height_px, width_px = sample.labels.shape
    if sample.normals is None:
        return {'normals': np.full((3, height_px // 2, width_px // 2), IGNORED, np.float32)}
    row, column = rng.integers(2, size=2)
    normals = sample.normals[row::2, column::2]
    known = np.abs(normals).max(2, keepdims=True) > 0
    labels = np.where(known, normals, IGNORED).transpose(2, 0, 1)
    return {'normals': np.ascontiguousarray(labels, np.float32)}


def loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """(B, 3, h, w) of any length at half the targets' resolution → scalar."""
    enlarged = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
    return normals_loss(enlarged, targets['normals'])


def preliminary_loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    step = targets['normals'].shape[2] // prediction.shape[2]
    coarse = targets['normals'][:, :, step // 2 :: step, step // 2 :: step]
    return normals_loss(prediction.float(), coarse)


def dense_decode(prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
    """(B, 3, h, w) → unit vectors (B, 3, 2h, 2w)."""
    enlarged = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')
    return {'normals': F.normalize(enlarged, dim=1)}


def options(config: CompactConfig) -> dict[str, Any]:
    """signs: factors that turn x, y, z into the optical frame, towards the camera."""
    return {'signs': [1.0, 1.0, 1.0]}
