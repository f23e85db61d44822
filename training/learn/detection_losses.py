"""Targets and losses of TaskPrompter's detection head, after FCOS3D (Wang et al., ICCV workshops
2021), in pixels of the original image (docs/network-specification.md, section 4.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.networks.detection3d import DetectionMaps

# For each level: range of the largest distance to a side of the 2D boxes that it predicts.
RANGES_PX = ((-1.0, 96.0), (96.0, 192.0), (192.0, 384.0), (384.0, 768.0), (768.0, 1e8))
RADIUS = 1.5  # in strides: cells this close to the projected centre along both axes are positive
FALL_OFF = 2.5  # of the centerness with distance
SQRT_2 = 1.414  # the authors' precision
CLASS_WEIGHT, DEPTH_WEIGHT, ROTATION_WEIGHT = 5.0, 0.2, 5.0
GAMMA, ALPHA = 2.0, 0.25  # of the focal loss (Lin et al., ICCV 2017)
# LEFT_OUT: cells of images without objects, which do not contribute here
BACKGROUND, LEFT_OUT = -1, -2
BETA = 1 / 9  # of the smooth L1 loss


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """N annotated objects of one image.

    labels: (N,) int64; bbox_px: (N, 4) visible 2D box x1 y1 x2 y2; center_px: (N, 3) projected 3D
    centre u, v and depth in m; sizes_m: (N, 3) length, width, height; angles_rad: (N, 3), the
    three angles of the published code.
    """

    labels: Tensor
    bbox_px: Tensor
    center_px: Tensor
    sizes_m: Tensor
    angles_rad: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class CellTargets:
    """Targets for the M cells of one level and image. object_class: (M,), BACKGROUND or LEFT_OUT
    where no object is; boxes: (M, 13) in the head's units; centerness: (M,)."""

    object_class: Tensor
    boxes: Tensor
    centerness: Tensor


def points_px(height: int, width: int, stride_px: float) -> Tensor:
    """Returns (h w, 2) u, v of the cells; half of the fractional stride is floored, as
    published."""
    v = torch.arange(height, dtype=torch.float32) * stride_px + stride_px // 2
    u = torch.arange(width, dtype=torch.float32) * stride_px + stride_px // 2
    rows, columns = torch.meshgrid(v, u, indexing='ij')
    return torch.stack([columns.flatten(), rows.flatten()], 1)


def cell_targets(
    objects: Objects, points: Tensor, stride_px: float, range_px: tuple[float, float]
) -> CellTargets:
    """Computes the targets of points (M, 2) of one level; a cell near several centres takes the
    nearest object."""
    if not len(objects.labels):
        none = points.new_zeros(len(points))
        return CellTargets(none.long() + LEFT_OUT, points.new_zeros(len(points), 13), none)
    offset = points[:, None] - objects.center_px[None, :, :2]  # (M, N, 2)
    near = (
        points[:, None] - objects.bbox_px[None, :, :2],
        objects.bbox_px[None, :, 2:] - points[:, None],
    )
    sides = torch.cat(near, 2)  # left, top, right, bottom
    largest = sides.amax(2)
    eligible = (offset.abs() < RADIUS * stride_px).all(2)
    eligible &= (largest >= range_px[0]) & (largest <= range_px[1])
    distance = offset.norm(dim=2).masked_fill(~eligible, math.inf)
    best, index = distance.min(1)
    cells = torch.arange(len(points), device=points.device)
    box = torch.cat(
        [
            offset[cells, index] / stride_px,
            objects.center_px[index, 2:],
            objects.sizes_m[index],
            objects.angles_rad[index],
            sides[cells, index] / stride_px,
        ],
        1,
    )
    relative = offset[cells, index].norm(dim=1) / (SQRT_2 * RADIUS * stride_px)
    positive = best.isfinite()
    return CellTargets(
        torch.where(positive, objects.labels[index], BACKGROUND),
        box,
        torch.exp(-FALL_OFF * relative) * positive,
    )


def all_targets(
    images: list[Objects], sizes: list[tuple[int, int]], strides_px: list[float]
) -> list[list[CellTargets]]:
    """Returns targets by level, then image. sizes: height and width of each level's map."""
    return [
        [
            cell_targets(o, points_px(*size, stride).to(o.bbox_px.device), stride, reach)
            for o in images
        ]
        for size, stride, reach in zip(sizes, strides_px, RANGES_PX, strict=True)
    ]


def detection_losses(maps: DetectionMaps, targets: list[list[CellTargets]]) -> dict[str, Tensor]:
    """Returns the weighted loss terms by name; training minimises their sum."""
    scores, boxes, directions, centerness = (
        torch.cat([cells(m) for m in level_maps])
        for level_maps in (maps.scores, maps.boxes, maps.directions, maps.centerness)
    )
    flat = [t for level in targets for t in level]
    object_class = torch.cat([t.object_class for t in flat])
    positive = object_class >= 0
    count = positive.sum()
    want = torch.cat([t.boxes for t in flat])[positive]
    got = boxes[positive]
    near = torch.cat([t.centerness for t in flat])[positive]
    images = maps.scores[0].shape[0]
    contributes = object_class != LEFT_OUT
    focal = focal_loss(scores[contributes], object_class[contributes])
    losses = {'cls': CLASS_WEIGHT * focal / (count + images)}
    losses |= box_losses(got, want)
    losses['dir'] = direction_loss(directions[positive], want[:, 6:9])
    losses['centerness'] = F.binary_cross_entropy_with_logits(
        centerness[positive, 0], near, reduction='sum'
    )
    shared = count.clamp(min=1)
    return {name: v if name == 'cls' else v / shared for name, v in losses.items()}


def cells(maps: Tensor) -> Tensor:
    """Maps (B, C, h, w) to (B h w, C), in float32 regardless of the network's precision."""
    return maps.float().permute(0, 2, 3, 1).flatten(0, 2)


def focal_loss(logits: Tensor, object_class: Tensor) -> Tensor:
    """Sums the focal loss of (M, C) logits and (M,) classes, where BACKGROUND is allowed."""
    truth = F.one_hot(object_class + 1, logits.shape[1] + 1)[:, 1:].to(logits.dtype)
    probability = logits.sigmoid()
    wrong = probability * (1 - truth) + (1 - probability) * truth
    weight = (ALPHA * truth + (1 - ALPHA) * (1 - truth)) * wrong**GAMMA
    return (weight * F.binary_cross_entropy_with_logits(logits, truth, reduction='none')).sum()


def box_losses(got: Tensor, want: Tensor) -> dict[str, Tensor]:
    """Sums the box losses of the positive cells, (P, 13) each; returns them by name."""
    a, b = got[:, 6:9], want[:, 6:9]
    # smooth L1 of sin(a - b), from its two products
    angles = smooth_l1(a.sin() * b.cos(), a.cos() * b.sin())
    return {
        'offset': smooth_l1(got[:, :2], want[:, :2]),
        'depth': DEPTH_WEIGHT * smooth_l1(got[:, 2], want[:, 2]),
        'size': smooth_l1(got[:, 3:6], want[:, 3:6]),
        'rotsin': ROTATION_WEIGHT * angles,
        'bbox2d': smooth_l1(got[:, 9:], want[:, 9:]),
    }


def smooth_l1(got: Tensor, want: Tensor) -> Tensor:
    return F.smooth_l1_loss(got, want, reduction='sum', beta=BETA)


def direction_loss(logits: Tensor, angles_rad: Tensor) -> Tensor:
    """Sums the loss of (P, 6) logits, two bins for each of (P, 3) angles: the half turn in which
    the angle lies."""
    turns = angles_rad / (2 * math.pi)
    half = (2 * (turns - turns.floor())).long().clamp(0, 1)
    return F.cross_entropy(
        logits.unflatten(1, (3, 2)).flatten(0, 1), half.flatten(), reduction='sum'
    )
