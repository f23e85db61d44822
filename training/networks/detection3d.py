"""TaskPrompter's detection head on Cityscapes-3D: FPN and a head like that of FCOS3D.

FCOS3D: Wang et al., ICCV workshops 2021. FPN: Lin et al., CVPR 2017. Deformable convolution: Zhu
et al., Deformable ConvNets v2, CVPR 2019, eq. 1. Module names are those of the released
checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LEVELS = 5
GROUPS = 32  # in every group norm
TAPS = 9  # positions of a 3x3 kernel
# Offset of the projected centre; depth; length, width, height; angles; distances to the sides of
# the 2D box.
REGRESSIONS = (2, 1, 3, 3, 4)
SCALED = (0, 1, 2, 4)  # regressions with a learned factor for each level
ANGLE_BINS = 6  # two bins for each of the three angles


@dataclass(frozen=True, slots=True)
class DetectionConfig:
    """width: channels of pyramid and towers; class_width: channels of the layer before the
    classes."""

    classes: int
    width: int
    class_width: int


@dataclass(frozen=True, slots=True, eq=False)
class DetectionMaps:
    """One tensor per level, finest first: (B, classes), (B, 13), (B, 6) and (B, 1) channels.

    The 13: dx, dy, depth, l, w, h, r0, r1, r2, left, top, right, bottom
    (docs/network-specification.md, section 4).
    """

    scores: list[Tensor]
    boxes: list[Tensor]
    directions: list[Tensor]
    centerness: list[Tensor]


class ConvOnly(nn.Module):
    """A convolution that has the name of the checkpoint's."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class FeaturePyramid(nn.Module):
    """Turns four maps into five of one width."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(ConvOnly(inputs, width, 1) for _ in range(LEVELS - 1))
        convs = [ConvOnly(width, width, 3) for _ in range(LEVELS - 1)]
        self.fpn_convs = nn.ModuleList([*convs, ConvOnly(width, width, 3, stride=2)])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Returns the finest map first; each coarser level is added to the next finer one."""
        merged = [conv(m) for conv, m in zip(self.lateral_convs, maps, strict=True)]
        for i in range(len(merged) - 1, 0, -1):
            size = merged[i - 1].shape[2:]
            merged[i - 1] = merged[i - 1] + nn.functional.interpolate(merged[i], size)
        out = [self.fpn_convs[i](m) for i, m in enumerate(merged)]
        return [*out, self.fpn_convs[LEVELS - 1](out[-1])]


class DeformableConv(nn.Module):
    """3x3 convolution whose taps are shifted and weighted for every pixel (DCNv2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, width, 3, 3))
        self.bias = nn.Parameter(torch.zeros(width))
        self.conv_offset = nn.Conv2d(width, 3 * TAPS, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W); samples outside the map are zero."""
        moved, weight = self.conv_offset(x).split((2 * TAPS, TAPS), 1)
        samples = sampled_taps(x, moved.unflatten(1, (TAPS, 2)))  # (B, C, taps, H, W)
        samples = samples * weight.sigmoid()[:, None]
        columns = samples.flatten(1, 2)  # (B, C taps, H, W)
        kernel = self.weight.flatten(1)[:, :, None, None]
        return nn.functional.conv2d(columns, kernel, self.bias)


class TowerLayer(nn.Module):
    """3x3 convolution (deformable on request), group norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, deformable: bool = False) -> None:
        super().__init__()
        self.conv = (
            DeformableConv(inputs) if deformable else nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.gn = nn.GroupNorm(GROUPS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.gn(self.conv(x)).relu()
        return y


class Scale(nn.Module):
    """One learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class DetectionHead(nn.Module):
    """Predicts classes, boxes, directions and centerness on five levels from four maps of the
    task's features."""

    def __init__(self, inputs: int, config: DetectionConfig) -> None:
        super().__init__()
        width, last = config.width, config.class_width
        self.neck = FeaturePyramid(inputs, width)
        self.cls_convs = tower(width)
        self.reg_convs = tower(width)
        self.conv_cls_prev = nn.Sequential(TowerLayer(width, width), TowerLayer(width, last))
        self.conv_cls = nn.Conv2d(last, config.classes, 1)
        self.conv_reg_prevs = nn.ModuleList(
            nn.Sequential(TowerLayer(width, width)) for _ in REGRESSIONS
        )
        self.conv_regs = nn.ModuleList(nn.Conv2d(width, n, 1) for n in REGRESSIONS)
        self.conv_dir_cls_prev = nn.Sequential(TowerLayer(width, width))
        self.conv_dir_cls = nn.Conv2d(width, ANGLE_BINS, 1)
        self.conv_centerness_prev = nn.Sequential(TowerLayer(width, width))
        self.conv_centerness = nn.Conv2d(width, 1, 1)
        self.scales = nn.ModuleList(nn.ModuleList(Scale() for _ in SCALED) for _ in range(LEVELS))

    def forward(self, maps: list[Tensor]) -> DetectionMaps:
        """Takes the maps finest first, (B, inputs, h, w) each."""
        found = DetectionMaps([], [], [], [])
        for level, pyramid in enumerate(self.neck(maps)):
            class_features, features = self.cls_convs(pyramid), self.reg_convs(pyramid)
            found.scores.append(self.conv_cls(self.conv_cls_prev(class_features)))
            found.directions.append(self.conv_dir_cls(self.conv_dir_cls_prev(features)))
            found.centerness.append(self.conv_centerness(self.conv_centerness_prev(features)))
            found.boxes.append(self.box(level, features))
        return found

    def box(self, level: int, features: Tensor) -> Tensor:
        """(B, width, h, w) → (B, 13, h, w)."""
        raw = [
            regress(previous(features))
            for previous, regress in zip(self.conv_reg_prevs, self.conv_regs, strict=True)
        ]
        scales = self.scales[level]
        assert isinstance(scales, nn.ModuleList)
        offset, depth, size, sides = (
            scale(raw[i]) for scale, i in zip(scales, SCALED, strict=True)
        )
        return torch.cat([offset, depth.exp(), size.exp() + 1e-6, raw[3], sides.relu()], 1)


def tower(width: int) -> nn.Sequential:
    """Returns three layers, the last of which is deformable."""
    return nn.Sequential(*(TowerLayer(width, width, deformable=i == 2) for i in range(3)))


def sampled_taps(x: Tensor, moved: Tensor) -> Tensor:
    """Samples (B, C, H, W) at (B, taps, 2, H, W) offsets dy, dx in pixels, bilinearly. Returns (B,
    C, taps, H, W).

    Uses grid_sample, which ONNX (GridSample) and TensorRT support.
    """
    height, width = x.shape[2:]
    around = torch.arange(-1.0, 2.0, device=x.device)
    tap_y, tap_x = torch.meshgrid(around, around, indexing='ij')
    rows = torch.arange(height, device=x.device)[:, None]
    columns = torch.arange(width, device=x.device)
    y = moved[:, :, 0] + tap_y.reshape(1, -1, 1, 1) + rows  # (B, taps, H, W)
    across = moved[:, :, 1] + tap_x.reshape(1, -1, 1, 1) + columns
    grid = torch.stack([(2 * across + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    sampled = nn.functional.grid_sample(x, grid.flatten(1, 2), align_corners=False)
    taps: Tensor = sampled.unflatten(2, (TAPS, height))
    return taps


def cell_values(maps: DetectionMaps, strides_px: list[float]) -> tuple[Tensor, Tensor]:
    """Dense part of decoding: scores (B, C, N) and box code (B, 13, N) over the cells of all
    levels.

    mtscene_ros/tasks/fcos3d.py reads them. Scores are class score times centerness; offsets and
    sides are in network pixels; angles combine regression and direction bin
    (docs/network-specification.md, section 4.1).
    """
    scores = [
        (s.sigmoid() * c.sigmoid()).flatten(2)
        for s, c in zip(maps.scores, maps.centerness, strict=True)
    ]
    codes = [
        box_code(b, d, stride).flatten(2)
        for b, d, stride in zip(maps.boxes, maps.directions, strides_px, strict=True)
    ]
    return torch.cat(scores, 2), torch.cat(codes, 2)


def box_code(box: Tensor, direction: Tensor, stride_px: float) -> Tensor:
    """Combines (B, 13, h, w) and (B, 6, h, w) into the box code (B, 13, h, w)."""
    offset, middle, angles, sides = box.split((2, 4, 3, 4), 1)
    opposite = direction[:, 1::2] > direction[:, ::2]  # the second bin wins
    turned = angles - (angles / math.pi).floor() * math.pi + math.pi * opposite
    return torch.cat([offset * stride_px, middle, turned, sides * stride_px], 1)
