"""Activation checkpointing (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016).

Blocks keep only their inputs and run again in the backward pass, which saves memory and costs a
third more time. Batch statistics count once: in the second run the momentum of batch norms is
zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from training.networks.timm_encoder import TimmEncoder


def recompute_blocks(network: nn.Module, encoder: nn.Module) -> int:
    """Makes the encoder's stages and the network's other children recompute their activations, in
    place. Returns their number."""
    blocks = []
    if isinstance(encoder, TimmEncoder):
        model: Any = encoder.model
        model.set_grad_checkpointing()  # by timm's own means
    else:
        blocks = [block for child in encoder.children() for block in stages(child)]
    blocks += [b for child in network.children() if child is not encoder for b in stages(child)]
    for block in blocks:
        norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
        block.forward = recomputed(block.forward, norms)
    return len(blocks)


def stages(child: nn.Module) -> list[nn.Module]:
    """Returns the modules that are called as a whole, which containers are not."""
    inner = list(child.children())
    if isinstance(child, nn.ModuleDict | nn.ModuleList):
        return inner
    return inner if isinstance(child, nn.Sequential) and len(inner) > 3 else [child]


def recomputed(forward: Callable[..., Any], norms: list[_BatchNorm]) -> Callable[..., Any]:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), zero_momentum(norms)

    return partial(checkpoint, forward, use_reentrant=False, context_fn=contexts)


@contextmanager
def zero_momentum(norms: list[_BatchNorm]) -> Iterator[None]:
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
