"""3D boxes as centres (Zhou et al., Objects as Points, 2019) in SMOKE's code (Liu et al., 2020).

Raw channels: C heat-map logits, then du, dv (cells), ln canonical depth, ln length, ln width, ln
height, cos and sin of the observation angle.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.camera.geometry import box_corners, optical_from_level_box, project
from training.config import CompactConfig
from training.data.sample import Sample
from training.tasks.semantic import class_table

NAME = 'boxes3d'
CODE = 8
TYPICAL_CODE = (0.0, 0.0, math.log(20.0), math.log(3.0), math.log(1.3), math.log(1.6), 0.0, 0.0)
CODE_WEIGHTS = (0.5, 0.5, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
# objects less visible or lower than MIN_HEIGHT_PX are optional: hardly any loss either way
MIN_VISIBLE = 0.2
MIN_HEIGHT_PX = 6.0
DOUBTFUL_PEAK = 0.9


def channels(config: CompactConfig) -> tuple[int, int]:
    """The preliminary prediction is the heat map alone."""
    return len(config.box_classes), len(config.box_classes) + CODE


def initialise(early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
    """The heat map starts at 0.01 (Lin et al., Focal Loss, ICCV 2017, section 4.1)."""
    assert isinstance(early, nn.Conv2d)
    assert isinstance(late, nn.Conv2d)
    assert early.bias is not None
    assert late.bias is not None
    nn.init.constant_(early.bias, -math.log(99.0))
    with torch.no_grad():
        late.bias[:-CODE] = -math.log(99.0)
        late.bias[-CODE:] = torch.tensor(TYPICAL_CODE)


def targets(
    sample: Sample, config: CompactConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """heat: (C, h, w) float32; code: (8, h, w) float32; weight: (h, w) float32, zero off objects.

    The eight cells around a centre also learn the code, weighted by the heat, because the peak may
    end up there. annotated: (1,) float32, 0 for an image without annotated boxes.
    """
    stride, camera = config.box_stride_px, sample.intrinsics
    shape = camera.height_px // stride, camera.width_px // stride
    heat = np.zeros((len(config.box_classes), *shape), np.float32)
    code = np.zeros((CODE, *shape), np.float32)
    weight = np.zeros(shape, np.float32)
    scale = config.focal_px / camera.fx_px
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for i in np.argsort(
        -sample.centers_m[:, 2]
    ):  # near objects last, so that they win shared cells
        center_m, size_m = sample.centers_m[i], sample.sizes_m[i]
        if center_m[2] < 1.0 or center_m[2] * scale > config.max_m:
            continue
        u_px, v_px = project(center_m, camera)
        column = math.floor((u_px + 0.5) / stride)
        row = math.floor((v_px + 0.5) / stride)
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            continue
        width_px, height_px = projected_size(sample, int(i))
        sure = sample.visible[i] >= MIN_VISIBLE and height_px >= MIN_HEIGHT_PX
        sigma = np.clip(np.array([height_px, width_px]) / stride / 8, 0.6, 3.0)
        bump = np.exp(-(((rows - row) / sigma[0]) ** 2 + ((columns - column) / sigma[1]) ** 2) / 2)
        layer = heat[sample.class_ids[i]]
        np.maximum(layer, bump * (1.0 if sure else DOUBTFUL_PEAK), out=layer)
        if not sure:
            continue
        near = (abs(rows - row) <= 1) & (abs(columns - column) <= 1)
        alpha = sample.yaw_rad[i] - math.atan2(center_m[0], center_m[2])
        code[0][near] = (u_px + 0.5) / stride - 0.5 - columns[near]
        code[1][near] = (v_px + 0.5) / stride - 0.5 - rows[near]
        rest = [math.log(center_m[2] * scale), *np.log(size_m), math.cos(alpha), math.sin(alpha)]
        code[2:, near] = np.array(rest, np.float32)[:, None]
        weight[near] = bump[near]
    annotated = np.array([sample.has_boxes], np.float32)
    return {'heat': heat, 'code': code, 'weight': weight, 'annotated': annotated}


def projected_size(sample: Sample, i: int) -> tuple[float, float]:
    """Returns width and height in pixels of the rectangle around the projected corners."""
    rotation = optical_from_level_box(sample.yaw_rad[i : i + 1])
    corners_m = box_corners(sample.centers_m[i : i + 1], sample.sizes_m[i : i + 1], rotation)[0]
    corners_m[:, 2] = np.maximum(corners_m[:, 2], 0.5)
    width_px, height_px = np.ptp(project(corners_m, sample.intrinsics), axis=0)
    return float(width_px), float(height_px)


def loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Heat: penalty-reduced focal loss (Objects as Points, eq. 1). Code: weighted L1."""
    prediction = prediction.float()
    heat, code = prediction[:, :-CODE], prediction[:, -CODE:]
    weight = targets['weight'][:, None]
    per_channel = torch.tensor(CODE_WEIGHTS, device=code.device)[None, :, None, None]
    error = (code - targets['code']).abs() * per_channel * weight
    heat_loss = focal(heat, targets['heat'], targets['annotated'])
    return heat_loss + error.sum() / weight.sum().clamp(min=1)


def preliminary_loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    step = targets['heat'].shape[2] // prediction.shape[2]
    heat = F.max_pool2d(targets['heat'], step)
    return focal(prediction.float(), heat, targets['annotated'])


def focal(logits: Tensor, heat: Tensor, annotated: Tensor) -> Tensor:
    """Focal loss with alpha = 2 and beta = 4, divided by the number of peaks.

    annotated: (B, 1), 0 for images whose objects nobody has drawn, which say nothing.
    """
    known = annotated[:, :, None, None]
    p = logits.sigmoid()
    peaks = heat >= 0.999
    at_peaks = torch.where(peaks, F.logsigmoid(logits) * (1 - p) ** 2, 0.0)
    elsewhere = torch.where(peaks, 0.0, F.logsigmoid(-logits) * p**2 * (1 - heat) ** 4)
    total = (at_peaks * known).sum() + (elsewhere * known).sum()
    return -total / peaks.sum().clamp(min=1)


def dense_decode(prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
    """Maps (B, C + 8, h, w) to scores, zero off the 3x3 maxima, and the code in px, m and rad."""
    heat, code = prediction[:, :-CODE].sigmoid(), prediction[:, -CODE:]
    peak = heat >= F.max_pool2d(heat, 3, 1, 1)
    metres = code[:, 2:6].clamp(math.log(0.05), math.log(1000.0)).exp()
    return {
        'boxes3d_scores': heat * peak.to(heat.dtype),
        'boxes3d_code': torch.cat([code[:, :2] * config.box_stride_px, metres, code[:, 6:]], 1),
    }


def options(config: CompactConfig) -> dict[str, Any]:
    return {
        'code': 'center_alpha',
        'classes': class_table(config.box_classes),
        'stride_px': config.box_stride_px,
        'focal_px': config.focal_px,
        'min_score': config.min_score,
        'max_boxes': config.max_boxes,
        'max_m': config.max_m,
    }
