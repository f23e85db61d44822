"""Depth at a canonical focal length (Yin et al., Metric3D, ICCV 2023, section 3.1).

The network predicts ln(depth_m * focal_px / fx_network). The loss is the absolute difference of
logarithms (the space of Eigen et al., NIPS 2014, section 3.2) plus the relative error itself,
which dominates at the edges of thin objects, where the near depth is the safer guess. Beyond
max_m, which includes the sky, the prediction only has to lie beyond max_m too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import CompactConfig
from training.data.sample import Sample

NAME = 'depth'
TYPICAL_LOG_M = math.log(15.0)  # output of an untrained network: 15 m
RELATIVE_WEIGHT = 1.5
BEYOND = 1.1  # factor by which the prediction must exceed max_m in the sky


def channels(config: CompactConfig) -> tuple[int, int]:
    return 1, 1


def initialise(early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
    for head in (early, late):
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        nn.init.constant_(head.bias, TYPICAL_LOG_M)


def targets(
    sample: Sample, config: CompactConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """log_depth: (H/2, W/2) float32, NaN unknown; log_limit: (), start of the range 'beyond'."""
    row, column = rng.integers(2, size=2)
    canonical_m = sample.depth_m[row::2, column::2] * (config.focal_px / sample.intrinsics.fx_px)
    log_depth = np.log(np.clip(canonical_m, config.min_m, config.max_m * BEYOND))
    return {
        'log_depth': log_depth.astype(np.float32),
        'log_limit': np.array(math.log(config.max_m), np.float32),
    }


def loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """(B, 1, h, w) at half the targets' resolution → mean |ln ratio| over known pixels."""
    enlarged = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
    return log_difference(enlarged[:, 0], targets['log_depth'], targets['log_limit'])


def preliminary_loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    step = targets['log_depth'].shape[1] // prediction.shape[2]
    coarse = targets['log_depth'][:, step // 2 :: step, step // 2 :: step]
    return log_difference(prediction[:, 0].float(), coarse, targets['log_limit'])


def log_difference(prediction: Tensor, log_depth: Tensor, log_limit: Tensor) -> Tensor:
    """Returns the mean cost of the known pixels; (B, h, w) twice, and (B,) limits."""
    known = torch.isfinite(log_depth)
    difference = torch.where(known, prediction - log_depth, 0.0)
    beyond = log_depth > log_limit[:, None, None]
    wrong = difference.abs() + RELATIVE_WEIGHT * relative_error(difference)
    cost = torch.where(beyond, F.relu(-difference), wrong)
    return cost.sum() / known.sum().clamp(min=1)


def relative_error(difference: Tensor) -> Tensor:
    """Returns |ratio - 1| given the logarithm of a ratio, continued linearly beyond a ratio of
    e."""
    bounded = difference.clamp(max=1.0)
    return torch.expm1(bounded).abs() + math.e * (difference - bounded)


def dense_decode(prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
    """Maps (B, 1, h, w) to canonical metres (B, 2h, 2w); the clamp keeps exp within float16."""
    enlarged = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')[:, 0]
    return {'depth': enlarged.clamp(math.log(0.1), math.log(1000.0)).exp()}


def options(config: CompactConfig) -> dict[str, Any]:
    return {
        'convention': 'metric',
        'focal_px': config.focal_px,
        'min_m': config.min_m,
        'max_m': config.max_m,
    }
