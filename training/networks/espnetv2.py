"""ESPNetv2's segmentation network (Mehta et al., CVPR 2019), the street teacher.

Written from the description of the weights; names of parameters are those of the published
state dict. 20 classes: CITYSCAPES_19 in order, then background.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 20  # the last one is background
GROUPS = 4  # of the 1x1 convolutions around a pyramid
PYRAMID_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
PYRAMID_CHANNELS = 10
MIN_SIDE = 5  # of a pooled map


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode='bilinear', align_corners=True)


def doubled(x: Tensor) -> Tensor:
    return resized(x, (2 * x.shape[2], 2 * x.shape[3]))


def pooled(x: Tensor) -> Tensor:
    """Halves the size; the padded zeros count."""
    return F.avg_pool2d(x, 3, 2, 1)


class Normed(nn.Module):
    """Convolution and normalisation; with is_active, PReLU after them."""

    def __init__(self, layer: nn.Conv2d, is_active: bool = True) -> None:
        super().__init__()
        self.conv = layer
        self.bn = nn.BatchNorm2d(layer.out_channels)
        self.act = nn.PReLU(layer.out_channels) if is_active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class NormAct(nn.Module):
    """Normalisation and PReLU, named as in the encoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn, self.act = nn.BatchNorm2d(channels), nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(x))
        return y


def normed(layer: nn.Conv2d) -> nn.Module:
    """Returns convolution, normalisation and PReLU, named as in the decoder."""
    layers = nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.PReLU(layer.out_channels))
    return nn.ModuleDict({'cbr': layers})


def norm_act(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))


class Depthwise(nn.Module):
    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, 3, stride, dilation, dilation, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class Eesp(nn.Module):
    """Extremely efficient spatial pyramid (section 3.2): dilated depth-wise convolutions of a
    reduced map, summed hierarchically."""

    def __init__(
        self, inputs: int, outputs: int, dilations: tuple[int, int, int, int], stride: int
    ) -> None:
        super().__init__()
        self.stride = stride
        narrow = outputs // len(dilations)
        self.proj_1x1 = Normed(conv(inputs, narrow, 1, groups=GROUPS))
        self.spp_dw = nn.ModuleList(Depthwise(narrow, stride, d) for d in dilations)
        self.br_after_cat = NormAct(outputs)
        self.conv_1x1_exp = Normed(conv(outputs, outputs, 1, groups=GROUPS), is_active=False)
        self.module_act = nn.PReLU(outputs)  # stored with a stride of 2 as well, without use

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.proj_1x1(x)
        sums = [self.spp_dw[0](narrow)]
        for layer in list(self.spp_dw)[1:]:
            sums.append(layer(narrow) + sums[-1])
        y: Tensor = self.conv_1x1_exp(self.br_after_cat(torch.cat(sums, 1)))
        return y if self.stride == 2 else self.module_act(y + x)


class DownSampler(nn.Module):
    """Strided EESP beside average pooling, and a shortcut from the image (section 3.2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.eesp = Eesp(inputs, outputs - inputs, (1, 2, 3, 4), 2)
        self.inp_reinf = nn.Sequential(
            Normed(conv(3, 3, 3)), Normed(conv(3, outputs, 1), is_active=False)
        )
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        y = torch.cat([pooled(x), self.eesp(x)], 1)
        while image.shape[2] > y.shape[2]:
            image = pooled(image)
        out: Tensor = self.act(y + self.inp_reinf(image))
        return out


class Encoder(nn.Module):
    """(B, 3, H, W) → maps of 32, 128, 256, 512 channels at strides 2, 4, 8, 16."""

    def __init__(self) -> None:
        super().__init__()
        self.level1 = Normed(conv(3, 32, 3, 2))
        self.level2_0 = DownSampler(32, 128)
        self.level3_0 = DownSampler(128, 256)
        self.level3 = nn.ModuleList(Eesp(256, 256, (1, 2, 3, 4), 1) for _ in range(3))
        self.level4_0 = DownSampler(256, 512)
        self.level4 = nn.ModuleList(Eesp(512, 512, (1, 1, 2, 3), 1) for _ in range(7))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        e1 = self.level1(image)
        e2 = self.level2_0(e1, image)
        e3 = self.level3_0(e2, image)
        for block in self.level3:
            e3 = block(e3)
        e4 = self.level4_0(e3, image)
        for block in self.level4:
            e4 = block(e4)
        return e1, e2, e3, e4


class Pyramid(nn.Module):
    """Efficient pyramid pooling: depth-wise convolutions at five scales, mixed by a grouped
    one."""

    def __init__(self, inputs: int, outputs: int, is_last: bool) -> None:
        super().__init__()
        inner, wide = PYRAMID_CHANNELS, PYRAMID_CHANNELS * len(PYRAMID_SCALES)
        self.projection_layer = normed(conv(inputs, inner, 1))
        self.stages = nn.ModuleList(conv(inner, inner, 3, groups=inner) for _ in PYRAMID_SCALES)
        final = nn.Conv2d(inner, outputs, 1, bias=is_last)
        self.merge_layer = nn.ModuleList(
            [
                nn.ModuleDict({'br': norm_act(wide)}),
                nn.Identity(),  # the shuffle's place
                normed(conv(wide, inner, 3, groups=inner)),
                final,
            ]
        )
        if not is_last:
            self.br = nn.ModuleDict({'br': norm_act(outputs)})
        self.is_last = is_last

    def forward(self, x: Tensor) -> Tensor:
        x = self.projection_layer['cbr'](x)  # type: ignore[index]
        branches = [
            at_scale(x, scale, stage)
            for scale, stage in zip(PYRAMID_SCALES, self.stages, strict=True)
        ]
        normalised = self.merge_layer[0]['br'](torch.cat(branches, 1))  # type: ignore[index]
        mixed = self.merge_layer[2]['cbr'](shuffled(normalised, len(branches)))  # type: ignore[index]
        y: Tensor = self.merge_layer[3](mixed)
        return y if self.is_last else self.br['br'](y)


def at_scale(x: Tensor, scale: float, layer: nn.Module) -> Tensor:
    """Applies a layer at another size and scales the result back."""
    height, width = x.shape[2:]
    size = max(MIN_SIDE, math.ceil(scale * height)), max(MIN_SIDE, math.ceil(scale * width))
    if scale > 1:
        return F.adaptive_avg_pool2d(layer(resized(x, size)), (height, width))
    if scale == 1:
        same: Tensor = layer(x)
        return same
    return resized(layer(F.adaptive_avg_pool2d(x, size)), (height, width))


def shuffled(x: Tensor, branches: int) -> Tensor:
    """Moves channel c of branch b to place branches * c + b."""
    dealt: Tensor = x.unflatten(1, (branches, -1)).transpose(1, 2).flatten(1, 2)
    return dealt


class Gate(nn.Module):
    """A skip connection whose channels are weighed by the mean of the map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.wt_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(inputs, outputs, 1))
        groups = math.gcd(inputs, outputs)
        self.expansion_layer = normed(conv(inputs, outputs, 3, groups=groups))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expansion_layer['cbr'](x)  # type: ignore[index]
        weight: Tensor = self.wt_layer(x)
        return y * weight.sigmoid()


class EspNetV2(nn.Module):
    """(B, 3, H, W) RGB 0..1 less ImageNet's mean, over its deviation → (B, 20, H, W) logits.
    H and W are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.base_net = Encoder()
        widths = (512, 64, 48, 32, CLASSES)
        for level in range(1, 5):
            pyramid = Pyramid(widths[level - 1], widths[level], is_last=level == 4)
            setattr(self, f'bu_dec_l{level}', pyramid)
        for level, inputs in ((2, 256), (3, 128), (4, 32)):
            outputs = widths[level - 1]
            setattr(self, f'merge_enc_dec_l{level}', Gate(inputs, outputs))
            setattr(self, f'bu_br_l{level}', norm_act(outputs))

    def forward(self, image: Tensor) -> Tensor:
        e1, e2, e3, e4 = self.base_net(image)
        y: Tensor = self.get_submodule('bu_dec_l1')(e4)
        for level, skip in ((2, e3), (3, e2), (4, e1)):
            merged = doubled(y) + self.get_submodule(f'merge_enc_dec_l{level}')(skip)
            normalised = self.get_submodule(f'bu_br_l{level}')(merged)
            y = self.get_submodule(f'bu_dec_l{level}')(normalised)
        return doubled(y)
