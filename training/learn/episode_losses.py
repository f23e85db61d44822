"""What an episode of meta-training costs: how far its channels are from what they should be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_WEIGHT = 8.0  # of the pixels of a class against the others
SMOOTH_PX = 20.0  # keeps the overlap of a class that the images hardly show from jumping
NUMBER_WEIGHT = 4.0  # of absolute differences, which are smaller than entropies


def channel_losses(logits: Tensor, truth: Tensor, known: Tensor, binary: Sequence[bool]) -> Tensor:
    """All (T, N, H, W), truth in [0, 1]. Mean over the channels."""
    each = [
        class_loss(*one) if is_class else number_loss(*one)
        for is_class, *one in zip(binary, logits, truth, known, strict=True)
    ]
    return torch.stack(each).mean()


def class_loss(logit: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Cross entropy, in which a rare class counts more, and the Dice loss (Milletari et al., 3DV
    2016), so that to answer nothing does not pay however rare the class is."""
    share = (truth * known).sum() / known.sum().clamp(min=1)
    weight = ((1 - share) / share.clamp(min=1e-6)).sqrt().clamp(1, MOST_WEIGHT)
    entropy = F.binary_cross_entropy_with_logits(logit, truth, reduction='none')
    pixels = known * (1 + (weight - 1) * truth)
    weighted = (entropy * pixels).sum() / pixels.sum().clamp(min=1)
    found = logit.sigmoid() * known
    both = (found * truth).sum()
    dice = (2 * both + SMOOTH_PX) / (found.sum() + (truth * known).sum() + SMOOTH_PX)
    return weighted + 0.5 * (1 - dice)


def number_loss(logit: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    differences = (logit.sigmoid() - truth).abs() * known
    return NUMBER_WEIGHT * differences.sum() / known.sum().clamp(min=1)


def choice_loss(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Cross entropy between the channels of a task of classes (T, N, H, W), where one of them is
    right: a taught model answers the channel with the largest probability."""
    right = truth.argmax(0)
    sure = (truth.amax(0) > 0.5) & (known.amin(0) > 0)
    entropy = F.cross_entropy(logits.transpose(0, 1), right, reduction='none')
    mean: Tensor = (entropy * sure).sum() / sure.sum().clamp(min=1)
    return mean
