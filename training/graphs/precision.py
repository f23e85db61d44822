"""Half precision for export, strongly typed: what must not be rounded is marked here.

Islands of float32 in a compact network: the encoder down to stride 8, where a map still holds what
the pixels say (a tenth of the operations, most of what rounding does, as measured in
benchmarks/results/drive_lite_fp16.md), layer norms (their sums of squares leave float16's range
first) and, of every task, the sums at stride 4 and the last layer (depth is the exponential of it,
boxes are metres). In a published network: the first convolution, layer norms and last layers; in
TaskPrompter also what the raw prompt attention touches, up to the next normalisation, and the
detection head, whose sampling positions go to a thousand pixels.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.networks.detection3d import DetectionHead, DetectionMaps

LARGEST = 65504.0  # of float16
# Of every task of a compact network: float32, and what takes a map from float32 in float16.
FULL = ('sum_16.', 'sum_8.', 'skip_4.', 'heads.')
ROUNDING = ('skip_8', 'refine_4.')
FRONT_STRIDE = 8  # of the finest encoder map that float16 layers work on


class Island(nn.Module):
    """A module in float32 within a network in float16."""

    def __init__(self, inner: nn.Module, is_last: bool) -> None:
        super().__init__()
        self.inner, self.is_last = inner.float(), is_last

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x.float())
        return y if self.is_last else y.half()


def halved(network: nn.Module) -> nn.Module:
    """A compact network's copy in float16; images come and predictions go in float32."""
    half = copy.deepcopy(network)
    fold_norms(half)
    front, after = encoder_front(half.get_submodule('encoder'))
    inside = tuple(f'{name}.' for name in front)
    for name, module in reversed(list(half.named_modules())):  # inner ones before outer ones
        if name in front or (name.count('.') == 1 and name.startswith(FULL)):
            replace(half, name, Island(module, is_last=True))
        elif name == after or (name.count('.') <= 1 and name.startswith(ROUNDING)):
            replace(half, name, Rounded(module))
        elif isinstance(module, nn.LayerNorm) and not name.startswith(inside):
            replace(half, name, Island(module, is_last=False))
    round_rest(half)
    return half


def encoder_front(encoder: nn.Module) -> tuple[list[str], str]:
    """Layers of a timm encoder down to FRONT_STRIDE, and the one after them, as the network names
    them."""
    names: list[str] = []
    for name, child in encoder.named_children():
        parts = [f'{name}.{part}' for part, _ in child.named_children()]
        names += parts if name == 'blocks' else [name]
    described: Any = encoder.feature_info
    last = described.module_name()[described.reduction().index(FRONT_STRIDE)]
    count = names.index(last if last in names else last.replace('.', '_')) + 1
    return [f'encoder.{name}' for name in names[:count]], f'encoder.{names[count]}'


def sees_image(module: nn.Module) -> bool:
    """The first convolution: pixels lose most of all by rounding."""
    return isinstance(module, nn.Conv2d) and module.in_channels == 3


def replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent = network.get_submodule(name.rpartition('.')[0])
    setattr(parent, name.rpartition('.')[2], module)


def round_rest(module: nn.Module) -> None:
    """Everything outside of islands to float16, in place; islands keep what was never rounded."""
    if isinstance(module, Island | Float32Detection):
        return
    for parameter in module.parameters(recurse=False):
        parameter.data = parameter.data.half()
    for name, buffer in list(module.named_buffers(recurse=False)):
        if buffer.is_floating_point():
            setattr(module, name, buffer.half())
    for child in module.children():
        round_rest(child)


class Rounded(nn.Module):
    """A module in float16 whose inputs may come from an island."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        # What float16 cannot hold becomes its largest number and not infinity, of which the next
        # sum makes no number at all: raw attention products are unbounded factors.
        y: Tensor = self.inner(x.clamp(-LARGEST, LARGEST).half())
        return y


class Float32Detection(nn.Module):
    """The detection head, which takes one map per level."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.float()

    def forward(self, levels: list[Tensor]) -> DetectionMaps:
        maps: DetectionMaps = self.inner([level.float() for level in levels])
        return maps


def halved_published(network: nn.Module) -> nn.Module:
    """The same for a network that `training.graphs.simplify.simplified` returned."""
    half = copy.deepcopy(network)
    fold_norms(half)
    heads = getattr(half, 'heads', None)
    if isinstance(heads, nn.ModuleDict):
        for name, head in heads.items():
            heads[name] = halved_head(head)
    backbone = getattr(half, 'backbone', None)
    for modules in getattr(backbone, 'fea_fuse', ()):
        for name, fuse in modules.items():
            modules[name] = until_activation(fuse)
    raw = ('.spa_attn_ds', '.process_chan_attn')
    for name, module in list(half.named_modules()):
        stays = isinstance(module, nn.LayerNorm) and '.inner' not in name
        if stays or name.endswith(raw) or is_reweighting(name) or sees_image(module):
            is_last = name.endswith(raw) or is_reweighting(name)
            replace(half, name, Island(module, is_last))
    round_rest(half)
    return half


def is_reweighting(name: str) -> bool:
    """backbone.ctr_attn_conv.LEVEL.TASK, as a whole."""
    return '.ctr_attn_conv.' in name and name.count('.') == 3


def halved_head(head: nn.Module) -> nn.Module:
    """Float16 up to the last layer, whatever comes in."""
    if isinstance(head, DetectionHead):
        return Float32Detection(head)
    layers = list(head.children())
    if len(layers) == 1:
        return Island(head, is_last=True)
    body = nn.Sequential(*layers[:-1])
    return nn.Sequential(Rounded(body), Island(layers[-1], is_last=True))


def until_activation(fuse: nn.Module) -> nn.Sequential:
    """Float32 up to the first GELU: the products are summed before they are normalised."""
    layers = list(fuse.children())
    first = next(k for k, layer in enumerate(layers) if isinstance(layer, nn.GELU))
    return nn.Sequential(Island(nn.Sequential(*layers[:first]), False), *layers[first:])


def fold_norms(network: nn.Module) -> None:
    """Batch norms go into the convolutions that they follow, in place, in float32: their variances
    may be too small for float16."""
    for parent in list(network.modules()):
        for (name, conv), (after, norm) in pairwise(list(parent.named_children())):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(
                conv, nn.Conv2d | nn.ConvTranspose2d
            ):
                turned = isinstance(conv, nn.ConvTranspose2d)
                setattr(parent, name, fuse_conv_bn_eval(conv, norm, turned))
                # timm's norms carry the activation that follows.
                setattr(parent, after, getattr(norm, 'act', nn.Identity()))


def dtype_of(network: nn.Module) -> torch.dtype:
    """Of the images that it takes: that of its first convolution."""
    first = next(m for m in network.modules() if sees_image(m))
    return next(first.parameters()).dtype
