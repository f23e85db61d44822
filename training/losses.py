"""Losses of InvPT and TaskPrompter on dense tasks, with the published weights.

Source: docs/network-specification.md, section 5.

Predictions are raw outputs (B, C, H, W); labels are (B, 1 or 3, H, W) float with 255 for unknown
(depth: 255 in InvPT, -1 in TaskPrompter). All functions return a scalar.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = 255.0
EDGE_WEIGHT = 0.95  # of the edge pixels, which are few

WEIGHTS: dict[str, dict[str, float]] = {
    'nyud': {'semseg': 1, 'depth': 1, 'normals': 10, 'edge': 50},
    'pascal': {'semseg': 1, 'human_parts': 2, 'sal': 5, 'normals': 10, 'edge': 50},
    'cityscapes3d': {'semseg': 100, 'depth': 1, '3ddet': 1},
}
OF_OTHERS = WEIGHTS['pascal'] | WEIGHTS['nyud']  # of tasks that the recipe's paper does not have


def task_weights(name: str) -> dict[str, float]:
    """Returns the published weights, also for tasks of the other data sets."""
    return OF_OTHERS | WEIGHTS[name]


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy, averaged over known pixels, for semseg and human_parts."""
    target = labels[:, 0].long()
    total = F.cross_entropy(logits, target, ignore_index=int(IGNORED), reduction='sum')
    return total / (target != IGNORED).sum().clamp(min=1)


def saliency_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Two-class cross entropy with weights from the batch: each class is weighted by the frequency
    of the other."""
    target = labels[:, 0].long()
    known = target != IGNORED
    count = known.sum().clamp(min=1)
    background = (target[known] == 0).sum() / count
    weight = torch.stack([1 - background, background]).to(logits.dtype)
    total = F.cross_entropy(logits, target, weight, ignore_index=int(IGNORED), reduction='sum')
    return total / count


def edge_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy with EDGE_WEIGHT for edges and 1 - EDGE_WEIGHT for other pixels."""
    known = labels != IGNORED
    x, y = logits[known], labels[known]
    return -(
        EDGE_WEIGHT * y * F.logsigmoid(x) + (1 - EDGE_WEIGHT) * (1 - y) * F.logsigmoid(-x)
    ).sum() / known.sum().clamp(min=1)


def normals_loss(prediction: Tensor, labels: Tensor) -> Tensor:
    """L1 distance of unit vectors, summed over components, averaged over known pixels."""
    known = (labels != IGNORED).all(1, keepdim=True)
    difference = (F.normalize(prediction, dim=1) - labels).abs() * known
    return difference.sum() / known.sum().clamp(min=1)


def depth_loss(prediction: Tensor, labels: Tensor, unknown: float = IGNORED) -> Tensor:
    """L1 distance, averaged over known pixels."""
    known = labels != unknown
    return (prediction - labels)[known].abs().sum() / known.sum().clamp(min=1)
