"""Losses of InvPT and TaskPrompter on dense tasks, and their published weights.

Source: docs/network-specification.md, section 5.

Predictions are raw outputs (B, C, H, W), labels (B, 1 or 3, H, W) float with 255 where unknown
(depth: 255 in InvPT, -1 in TaskPrompter). All return a scalar.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = 255.0
EDGE_WEIGHT = 0.95  # of the few edge pixels

WEIGHTS: dict[str, dict[str, float]] = {
    'nyud': {'semseg': 1, 'depth': 1, 'normals': 10, 'edge': 50},
    'pascal': {'semseg': 1, 'human_parts': 2, 'sal': 5, 'normals': 10, 'edge': 50},
    'cityscapes3d': {'semseg': 100, 'depth': 1, '3ddet': 1},
}


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy, mean over known pixels: semseg, human_parts."""
    target = labels[:, 0].long()
    total = F.cross_entropy(logits, target, ignore_index=int(IGNORED), reduction='sum')
    return total / (target != IGNORED).sum().clamp(min=1)


def saliency_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Two-class cross entropy whose class weights follow the batch: a class weighs as much as the
    other one is frequent."""
    target = labels[:, 0].long()
    known = target != IGNORED
    count = known.sum().clamp(min=1)
    background = (target[known] == 0).sum() / count
    weight = torch.stack([1 - background, background]).to(logits.dtype)
    total = F.cross_entropy(logits, target, weight, ignore_index=int(IGNORED), reduction='sum')
    return total / count


def edge_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy, edges weighted EDGE_WEIGHT and the rest with what is left."""
    known = labels != IGNORED
    x, y = logits[known], labels[known]
    return -(
        EDGE_WEIGHT * y * F.logsigmoid(x) + (1 - EDGE_WEIGHT) * (1 - y) * F.logsigmoid(-x)
    ).sum() / known.sum().clamp(min=1)


def normals_loss(prediction: Tensor, labels: Tensor) -> Tensor:
    """L1 distance of unit vectors, summed over the components, mean over known pixels."""
    known = (labels != IGNORED).all(1, keepdim=True)
    difference = (F.normalize(prediction, dim=1) - labels).abs() * known
    return difference.sum() / known.sum().clamp(min=1)


def depth_loss(prediction: Tensor, labels: Tensor, unknown: float = IGNORED) -> Tensor:
    """L1, mean over known pixels."""
    known = labels != unknown
    return (prediction - labels)[known].abs().sum() / known.sum().clamp(min=1)
