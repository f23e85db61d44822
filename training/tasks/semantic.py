"""Semantic segmentation, learned by cross entropy per pixel and overlap per class.

Unlabelled pixels never count. Signs and lights cover a thousandth of a road scene. Class weights
and the soft Jaccard index (Rahman and Wang, ISVC 2016, eq. 2), which counts classes rather than
pixels, make them matter.
"""

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
JACCARD_WEIGHT = 0.5


def channels(config: CompactConfig) -> tuple[int, int]:
    return len(config.classes), len(config.classes)


def initialise(early: nn.Module, late: nn.Module, config: CompactConfig) -> None:
    """Keeps PyTorch's defaults."""


def targets(
    sample: Sample, config: CompactConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """labels: (H/2, W/2) int64, one random pixel of every 2x2, so that edges stay in place;
    class_weights: (C,) float32."""
    row, column = rng.integers(2, size=2)
    weights = config.class_weights or (1.0,) * len(config.classes)
    return {
        'labels': sample.labels[row::2, column::2].astype(np.int64),
        'class_weights': np.array(weights, np.float32),
    }


def loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """(B, C, h, w) logits at half the resolution of the (B, 2h, 2w) labels → scalar."""
    logits = F.interpolate(prediction.float(), scale_factor=2.0, mode='bilinear')
    labels, weights = targets['labels'], targets['class_weights'][0]
    return cross_entropy(logits, labels, weights) + JACCARD_WEIGHT * jaccard_loss(logits, labels)


def preliminary_loss(prediction: Tensor, targets: dict[str, Tensor]) -> Tensor:
    step = targets['labels'].shape[1] // prediction.shape[2]
    coarse = targets['labels'][:, step // 2 :: step, step // 2 :: step]
    return cross_entropy(prediction.float(), coarse, targets['class_weights'][0])


def cross_entropy(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Returns the weighted mean over labelled pixels, zero if there are none."""
    total = F.cross_entropy(logits, labels, class_weights, ignore_index=UNLABELED, reduction='sum')
    weight = class_weights[labels[labels != UNLABELED]].sum()
    return total / weight.clamp(min=1e-6)


def jaccard_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns 1 - mean over the batch's classes of intersection / union, with probabilities in
    place of sets."""
    known = (labels != UNLABELED).flatten()
    probability = logits.softmax(1).transpose(0, 1).flatten(1) * known  # (C, B h w)
    truth = labels.flatten()
    area = (
        torch.zeros(len(probability))
        .to(probability)
        .index_add(0, truth[known], torch.ones_like(probability[0][known]))
    )
    at_truth = probability.gather(0, truth.where(known, 0)[None])[0] * known
    overlap = torch.zeros_like(area).index_add(0, truth[known], at_truth[known])
    present = area > 0
    index = overlap / (probability.sum(1) + area - overlap).clamp(min=1e-6)
    return ((1 - index) * present).sum() / present.sum().clamp(min=1)


def dense_decode(prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]:
    """(B, C, h, w) → labels and confidence (B, 2h, 2w) uint8."""
    logits = F.interpolate(prediction, scale_factor=2.0, mode='bilinear')
    labels, confidence = best_class(logits)
    return {'semantic_labels': labels, 'semantic_confidence': confidence}


def best_class(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, C, h, w) to the best class and round(255 p) of it: uint8, or int32 for more than
    255 classes.

    The largest entry of the softmax is 1 / sum exp(x - max x), so nothing else is computed.
    """
    best, labels = logits.max(1, keepdim=True)
    confidence = 255 / (logits - best).exp().sum(1)
    kind = torch.uint8 if logits.shape[1] <= 255 else torch.int32  # TensorRT has no uint16
    return labels[:, 0].to(kind), confidence.round().to(torch.uint8)


def options(config: CompactConfig) -> dict[str, Any]:
    return {'classes': class_table(config.classes)}


def class_table(classes: tuple[SemanticClass, ...]) -> list[dict[str, Any]]:
    return [{'id': c.id, 'name': c.name, 'color_rgb': list(c.color_rgb)} for c in classes]
