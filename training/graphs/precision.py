"""Half precision for export, strongly typed: marks the parts that must stay in float32.

Float32 islands of a compact network are: the encoder down to stride 8, where maps still hold pixel
detail (a tenth of the operations but most of the rounding error, as measured in
benchmarks/results/drive_lite_fp16.md); layer norms, whose sums of squares are the first to leave
float16's range; and, for every task, the sums at stride 4 and the last layer (depth is its
exponential, boxes are in metres). In a published network they are the first convolution, layer
norms and last layers, and in TaskPrompter also everything from the raw prompt attention to the
next normalisation, and the detection head, whose sampling positions reach a thousand pixels.
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
# Per task of a compact network: modules in float32, and modules that turn float32 into float16.
FULL = ('sum_16.', 'sum_8.', 'skip_4.', 'heads.')
ROUNDING = ('skip_8', 'refine_4.')
FRONT_STRIDE = 8  # stride of the finest encoder map on which float16 layers work


class Island(nn.Module):
    """A module in float32 inside a network in float16."""

    def __init__(self, inner: nn.Module, is_last: bool) -> None:
        super().__init__()
        self.inner, self.is_last = inner.float(), is_last

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x.float())
        return y if self.is_last else y.half()


def halved(network: nn.Module) -> nn.Module:
    """Returns a copy of a compact network in float16; images and predictions stay in float32."""
    half = copy.deepcopy(network)
    fold_norms(half)
    front, after = encoder_front(half.get_submodule('encoder'))
    inside = tuple(f'{name}.' for name in front)
    for name, module in reversed(list(half.named_modules())):  # inner modules before outer ones
        if name in front or (name.count('.') == 1 and name.startswith(FULL)):
            replace(half, name, Island(module, is_last=True))
        elif name == after or (name.count('.') <= 1 and name.startswith(ROUNDING)):
            replace(half, name, Rounded(module))
        elif isinstance(module, nn.LayerNorm) and not name.startswith(inside):
            replace(half, name, Island(module, is_last=False))
    convert_rest(half)
    return half


def encoder_front(encoder: nn.Module) -> tuple[list[str], str]:
    """Returns the layers of a timm encoder down to FRONT_STRIDE and the layer after them, by the
    network's names."""
    names: list[str] = []
    for name, child in encoder.named_children():
        parts = [f'{name}.{part}' for part, _ in child.named_children()]
        names += parts if name == 'blocks' else [name]
    feature_info: Any = encoder.feature_info
    last = feature_info.module_name()[feature_info.reduction().index(FRONT_STRIDE)]
    count = names.index(last if last in names else last.replace('.', '_')) + 1
    return [f'encoder.{name}' for name in names[:count]], f'encoder.{names[count]}'


def is_first_conv(module: nn.Module) -> bool:
    """Tells whether the module is the first convolution: rounding harms pixels most of all."""
    return isinstance(module, nn.Conv2d) and module.in_channels == 3


def replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent = network.get_submodule(name.rpartition('.')[0])
    setattr(parent, name.rpartition('.')[2], module)


def convert_rest(module: nn.Module) -> None:
    """Converts everything outside islands to float16, in place; islands keep unrounded weights."""
    if isinstance(module, Island | Float32Detection):
        return
    for parameter in module.parameters(recurse=False):
        parameter.data = parameter.data.half()
    for name, buffer in list(module.named_buffers(recurse=False)):
        if buffer.is_floating_point():
            setattr(module, name, buffer.half())
    for child in module.children():
        convert_rest(child)


class Rounded(nn.Module):
    """A module in float16 whose inputs may come from an island."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        # A value beyond float16 becomes its largest number instead of infinity, which the next sum
        # would turn into NaN: raw attention products are unbounded factors.
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
    """Does the same for a network that `training.graphs.simplify.simplified` returned."""
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
        if stays or name.endswith(raw) or is_reweighting(name) or is_first_conv(module):
            is_last = name.endswith(raw) or is_reweighting(name)
            replace(half, name, Island(module, is_last))
    convert_rest(half)
    return half


def is_reweighting(name: str) -> bool:
    """Tells whether this is a whole reweighting module, backbone.ctr_attn_conv.LEVEL.TASK."""
    return '.ctr_attn_conv.' in name and name.count('.') == 3


def halved_head(head: nn.Module) -> nn.Module:
    """Runs in float16 up to the last layer, whatever the input type."""
    if isinstance(head, DetectionHead):
        return Float32Detection(head)
    layers = list(head.children())
    if len(layers) == 1:
        return Island(head, is_last=True)
    body = nn.Sequential(*layers[:-1])
    return nn.Sequential(Rounded(body), Island(layers[-1], is_last=True))


def until_activation(fuse: nn.Module) -> nn.Sequential:
    """Stays in float32 up to the first GELU, because products are summed before normalisation."""
    layers = list(fuse.children())
    first = next(k for k, layer in enumerate(layers) if isinstance(layer, nn.GELU))
    return nn.Sequential(Island(nn.Sequential(*layers[:first]), False), *layers[first:])


def fold_norms(network: nn.Module) -> None:
    """Folds batch norms into the convolutions before them, in place and in float32, because their
    variances may be too small for float16."""
    for parent in list(network.modules()):
        for (name, conv), (after, norm) in pairwise(list(parent.named_children())):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(
                conv, nn.Conv2d | nn.ConvTranspose2d
            ):
                turned = isinstance(conv, nn.ConvTranspose2d)
                setattr(parent, name, fuse_conv_bn_eval(conv, norm, turned))
                # timm's norms include the activation that follows.
                setattr(parent, after, getattr(norm, 'act', nn.Identity()))


def dtype_of(network: nn.Module) -> torch.dtype:
    """Returns the type of the images that the network takes: that of its first convolution."""
    first = next(m for m in network.modules() if is_first_conv(m))
    return next(first.parameters()).dtype
