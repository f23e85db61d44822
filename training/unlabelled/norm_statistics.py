"""Batch-norm statistics of unlabelled frames, blended into a trained compact network.

No weight is trained (Li et al., Adaptive Batch Normalization, 2018).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtscene_ros.camera.letterbox import Letterbox
from training.config import CompactConfig
from training.graphs.deploy import normalised

Statistics = dict[str, tuple[Tensor, Tensor]]
BATCH = 8  # frames whose statistics are taken together


def norms_of(network: nn.Module) -> dict[str, _BatchNorm]:
    return {n: m for n, m in network.named_modules() if isinstance(m, _BatchNorm)}


def measured_statistics(network: nn.Module, batches: Iterable[Tensor]) -> Statistics:
    """Measures the mean and unbiased variance of every batch norm's input, averaged over batches
    of normalised images (B, 3, H, W). Each layer is fed by layers that use the batch's own
    statistics. The network stays as it was. Raises ValueError where there is no batch."""
    norms = norms_of(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    was_training, momenta = network.training, {n: m.momentum for n, m in norms.items()}
    network.eval()
    for norm in norms.values():
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch then averages the batches with equal weights
    count = 0
    with torch.no_grad():
        for batch in batches:
            network(batch)
            count += 1
    found = {}
    for name, norm in norms.items():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        found[name] = norm.running_mean.clone(), norm.running_var.clone()
        norm.momentum = momenta[name]
    network.load_state_dict(before)
    network.train(was_training)
    if not count:
        raise ValueError('There are no frames to take statistics of; give a recording with some.')
    return found


def blend(network: nn.Module, statistics: Statistics, share: float) -> None:
    """Replaces statistics in place by (1 - share) x old + share x new. The variance leaves out the
    distance of the two means, because the network sees one recording at a time."""
    with torch.no_grad():
        for name, norm in norms_of(network).items():
            mean, variance = statistics[name]
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.lerp_(mean, share)
            norm.running_var.lerp_(variance, share)


def batches_of(images: list[NDArray[np.uint8]], config: CompactConfig) -> Iterable[Tensor]:
    """Yields batches of letterboxed images, as on the robot, of about equal size."""
    count = max(1, round(len(images) / BATCH))
    for part in np.array_split(np.arange(len(images)), count):
        fitted = [fit(images[k], config) for k in part]
        yield normalised(torch.from_numpy(np.stack(fitted)))


def fit(rgb: NDArray[np.uint8], config: CompactConfig) -> NDArray[np.uint8]:
    letterbox = Letterbox(rgb.shape[1], rgb.shape[0], config.width_px, config.height_px)
    return letterbox.to_network(rgb)
