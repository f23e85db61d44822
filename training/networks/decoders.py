"""Creates compact networks by the name of their decoder, and loads weights from other input
sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from training.config import CompactConfig
from training.networks.compact import CompactNetwork
from training.networks.compact_prompts import CompactPromptNetwork

NETWORKS: dict[str, Callable[[CompactConfig], CompactNetwork | CompactPromptNetwork]] = {
    'invpt': CompactNetwork,
    'taskprompter': CompactPromptNetwork,
}


def compact_network(config: CompactConfig) -> CompactNetwork | CompactPromptNetwork:
    return NETWORKS[config.decoder](config)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Loads weights; a compact network's position embedding is resampled to its input size.

    Raises PyTorch's RuntimeError for weights of another network.
    """
    wanted, position = network.state_dict().get('position'), weights.get('position')
    if (
        wanted is not None
        and position is not None
        and position.shape[:2] == wanted.shape[:2]
        and position.shape != wanted.shape
    ):
        size = (wanted.shape[2], wanted.shape[3])
        weights = {**weights, 'position': F.interpolate(position, size, mode='bicubic')}
    network.load_state_dict(weights)
