"""Half precision for export, strongly typed: what must not be rounded is marked here.

Islands of float32: layer norms (their sums of squares leave float16's range first) and the last
layer of every task (depth is the exponential of it, boxes are metres).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Island(nn.Module):
    """A module in float32 within a network in float16."""

    def __init__(self, inner: nn.Module, is_last: bool) -> None:
        super().__init__()
        self.inner, self.is_last = inner.float(), is_last

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x.float())
        return y if self.is_last else y.half()


def halved(network: nn.Module) -> nn.Module:
    """A copy in float16 that takes float16 images; its final predictions are float32."""
    half = copy.deepcopy(network).half()
    for name, module in list(half.named_modules()):
        is_last = name.startswith('heads.') and name.count('.') == 1
        if isinstance(module, nn.LayerNorm) or is_last:
            parent = half.get_submodule(name.rpartition('.')[0])
            setattr(parent, name.rpartition('.')[2], Island(module, is_last))
    return half


def dtype_of(network: nn.Module) -> torch.dtype:
    """Of the images that it takes."""
    return next(network.parameters()).dtype
