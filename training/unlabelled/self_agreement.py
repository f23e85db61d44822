"""Tells without labels how well a network suits a recording: how far it agrees with itself.

benchmarks/results/street_lite.md says how well each number follows the truth of CamVid and KITTI.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import CompactConfig
from training.graphs.deploy import normalised
from training.unlabelled.norm_statistics import fit

BEYOND_LOG_M = 4.0  # ln canonical metres beyond which depth is not compared: the sky


def self_agreement(
    network: nn.Module, config: CompactConfig, images: list[NDArray[np.uint8]]
) -> dict[str, float]:
    """Returns means over the images, for a network in evaluation mode.

    label_agreement: share of pixels with one label in the image and its mirror image; entropy:
    that of the mean of both predictions, in nats; depth_disagreement: |ln ratio| of both depths.
    """
    rows = []
    for rgb in images:
        image = normalised(torch.from_numpy(fit(rgb, config))[None])
        with torch.inference_mode():
            late, _ = network(torch.cat([image, image.flip(3)]))
        rows.append(compared_views(late['semantic'], late['depth']))
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def compared_views(logits: Tensor, log_depth: Tensor) -> dict[str, float]:
    """Compares (2, C, h, w) and (2, 1, h, w) of an image and of its mirror image."""
    one, other = logits.softmax(1)
    other = other.flip(2)
    mean = (one + other) / 2
    depth, mirrored = log_depth[0, 0], log_depth[1, 0].flip(1)
    both = (depth < BEYOND_LOG_M) & (mirrored < BEYOND_LOG_M)
    apart = (depth - mirrored).abs()[both]
    return {
        'label_agreement': float((one.argmax(0) == other.argmax(0)).float().mean()),
        'entropy': float(-(mean * mean.clamp(min=1e-12).log()).sum(0).mean()),
        'depth_disagreement': float(apart.mean()) if len(apart) else 0.0,
    }
