"""Rewrites a published network before its export: fewer operations, the same numbers.

simplified(network) returns a network that shares the original's weights where it can and whose
outputs agree up to float32 rounding. Every rewrite below is an identity; the docstrings prove it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from training.networks.invpt import STAGES, InvPT, InvPTNetwork
from training.networks.swin import SwinPrompts
from training.networks.taskprompter import TaskPrompterNetwork
from training.networks.taskprompter_swin import (
    DETECTION,
    PromptedSwin,
    TaskPrompterSwinNetwork,
    at,
)
from training.networks.upsampled_conv import UpsampledConv
from training.networks.vit import resized, tokens_to_map


def simplified(network: nn.Module) -> nn.Module:
    """Returns the simplified network in evaluation mode; the original's weights stay unchanged."""
    fast = shared_copy(network).eval()
    if isinstance(fast, InvPTNetwork):
        return simplified_invpt(fast)
    if isinstance(fast, TaskPrompterNetwork):
        return FastTaskPrompter(fast)
    assert isinstance(fast, TaskPrompterSwinNetwork)
    fast.backbone = FastPromptedSwin(fast.backbone)
    return fast


def shared_copy(network: nn.Module) -> nn.Module:
    """Copies the modules but shares parameters and buffers with the original."""
    tensors = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(t): t for t in tensors})


# -- identities ---------------------------------------------------------------------------------


def normalised_conv(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of norm(conv(x)): with fixed statistics, batch norm scales and
    shifts each output channel."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - scale * norm.running_mean
    if conv.bias is not None:
        shift = shift + scale * conv.bias
    return (conv.weight * scale[:, None, None, None]).detach(), shift.detach()


def chained(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Merges second(first(x)) of two 1x1 convolutions, which is a product of matrices."""
    weight = second.weight.flatten(1) @ first.weight.flatten(1)
    bias = torch.zeros_like(weight[:, 0]) if second.bias is None else second.bias
    if first.bias is not None:
        bias = bias + second.weight.flatten(1) @ first.bias
    return conv1x1(weight, bias)


def concatenated_conv(layers: list[nn.Conv2d]) -> nn.Conv2d:
    """Merges a sum of 1x1 convolutions of several maps into one convolution of the concatenated
    maps."""
    weight = torch.cat([layer.weight.flatten(1) for layer in layers], 1)
    biases = [layer.bias for layer in layers if layer.bias is not None]
    return conv1x1(weight, torch.stack(biases).sum(0))


def split_conv(layer: nn.Conv2d, first: int) -> list[nn.Conv2d]:
    """Splits a 1x1 convolution of two concatenated maps into two that are summed; the first keeps
    the bias."""
    assert layer.bias is not None
    left, right = layer.weight.flatten(1).split([first, layer.in_channels - first], 1)
    return [conv1x1(left, layer.bias), conv1x1(right, torch.zeros_like(layer.bias))]


def conv1x1(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """weight: (outputs, inputs)."""
    outputs, inputs = weight.shape
    layer = nn.Conv2d(inputs, outputs, 1, device='meta')
    layer.weight = nn.Parameter(weight.detach()[:, :, None, None].contiguous(), False)
    layer.bias = nn.Parameter(bias.detach(), False)
    return layer


def fused_decoding(spatial: nn.Module, channel: nn.Module, fuse: nn.Sequential) -> nn.Conv2d:
    """Merges TaskPrompter's decoding into one 1x1 convolution of [spatial, channel]: it decodes
    spatial and channel features by 1x1 convolutions and mixes both by a third, with nothing in
    between."""
    first, second, mix = spatial[0], channel[0], fuse[0]  # type: ignore[index]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    assert isinstance(mix, nn.Conv2d)
    left, right = split_conv(mix, first.out_channels)
    return concatenated_conv([chained(first, left), chained(second, right)])


# -- TaskPrompter on a ViT ----------------------------------------------------------------------


class FastTaskPrompter(nn.Module):
    """Decodes task features by one convolution, and runs the heads' 3x3 convolutions before the
    enlargement to a quarter of the image instead of after it (`UpsampledConv`)."""

    def __init__(self, network: TaskPrompterNetwork) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.size = (network.config.height_px, network.config.width_px)
        quarter = (self.size[0] // 4, self.size[1] // 4)
        encoder = network.backbone
        for level in range(len(encoder.fea_fuse)):
            for name in encoder.names:
                fuse = encoder.at(encoder.fea_fuse, level, name)
                spatial, channel = (
                    at(modules, level, name)
                    for modules in (encoder.fea_decode_spa, encoder.fea_decode_chan)
                )
                assert isinstance(fuse, nn.Sequential)
                fuse[0] = fused_decoding(spatial, channel, fuse)
                insert_module(encoder.fea_decode_spa, level, name, nn.Identity())
                insert_module(encoder.fea_decode_chan, level, name, nn.Identity())
        grid = network.config.grid
        self.heads = nn.ModuleDict()
        for name, head in network.heads.items():
            weight, bias = normalised_conv(head.mt_proj[0], head.mt_proj[1])  # type: ignore
            enlarging = UpsampledConv(weight, bias, grid, quarter)
            predict = head.linear_pred
            assert isinstance(predict, nn.Conv2d)
            self.heads[name] = nn.Sequential(EnlargedRows(enlarging), RowPrediction(predict))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Like TaskPrompterNetwork."""
        features = self.backbone(image)
        return {n: resized(self.heads[n](f), self.size) for n, f in features.items()}


class EnlargedRows(nn.Module):
    """Enlargement with its convolution, then GELU: (B, inputs, h, w) → (B, H, features, W)."""

    def __init__(self, enlarging: UpsampledConv) -> None:
        super().__init__()
        self.enlarging = enlarging

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(self.enlarging.by_rows(x))


class RowPrediction(nn.Module):
    """A 1x1 convolution as one product per row: (B, H, features, W) → (B, outputs, H, W). Only the
    few channels of the prediction are transposed, not all features."""

    def __init__(self, predict: nn.Conv2d) -> None:
        super().__init__()
        self.predict = predict

    def forward(self, features: Tensor) -> Tensor:
        assert self.predict.bias is not None
        rows = self.predict.weight.flatten(1) @ features + self.predict.bias[:, None]
        return rows.permute(0, 2, 1, 3)


def insert_module(modules: nn.ModuleList, level: int, name: str, module: nn.Module) -> None:
    of_level = modules[level]
    assert isinstance(of_level, nn.ModuleDict)
    of_level[name] = module


# -- InvPT --------------------------------------------------------------------------------------


class FastPyramid(nn.Module):
    """InvPT's decoder with the last 3x3 convolution applied to each scale alone, before its
    enlargement: a convolution of a sum is the sum of the convolutions. The 1x1 convolution that
    brings a scale to the common width is folded into the taps, including its bias."""

    def __init__(self, plain: InvPT, grid: tuple[int, int]) -> None:
        super().__init__()
        self.plain = plain
        final = (8 * grid[0], 8 * grid[1])
        self.scales = nn.ModuleDict()
        for j, name in enumerate(plain.names):
            weight, bias = normalised_conv(*plain.mt_proj[name][:2])  # type: ignore[index]
            layers = [UpsampledConv(weight, bias, grid, final)]
            for stage in range(1, STAGES):
                reduce = plain.redu_chan[str(stage)][j]  # type: ignore[index]
                size = (grid[0] * 2**stage, grid[1] * 2**stage)
                layers.append(UpsampledConv(weight, None, size, final, before=reduce))
            self.scales[name] = nn.ModuleList(layers)

    def forward(
        self, features: dict[str, Tensor], early: dict[str, Tensor], skips: list[Tensor | None]
    ) -> dict[str, Tensor]:
        """Like InvPT."""
        plain, names = self.plain, self.plain.names
        maps = [plain.mix_proj[n](torch.cat([features[n], early[n]], 1)) for n in names]
        total: dict[str, Tensor] = {}
        message: Tensor | None = None
        for stage, skip in enumerate(skips):
            maps, message = plain.invpt_stages[stage](maps, skip, message)
            for name, normed in zip(names, plain.normed(stage, maps), strict=True):
                found = self.scales[name][stage].by_rows(normed)  # type: ignore[index]
                total[name] = total[name] + found if stage else found
        return {name: found.relu().permute(0, 2, 1, 3) for name, found in total.items()}


def simplified_invpt(network: InvPTNetwork) -> InvPTNetwork:
    """Also simplifies `patch_embed`, whose first convolution follows an enlargement."""
    pyramid = network.multi_task_decoder.invpt
    grid = tuple(side // 2 for side in network.config.grid)
    for stage in range(1, STAGES):
        size = (grid[0] * 2 ** (stage - 1), grid[1] * 2 ** (stage - 1))
        doubled = (2 * size[0], 2 * size[1])
        for expand in pyramid.invpt_stages[stage].patch_embed:  # type: ignore[union-attr]
            layers = expand.proj
            weight, bias = normalised_conv(layers[1], layers[2])
            first = UpsampledConv(weight, bias, size, doubled, dilation=2)
            expand.proj = nn.Sequential(first, *layers[3:])
    network.multi_task_decoder.invpt = FastPyramid(pyramid, (grid[0], grid[1]))  # type: ignore
    return network


# -- TaskPrompter on a Swin transformer ---------------------------------------------------------


class FastPromptedSwin(PromptedSwin):
    """Decodes dense tasks before their enlargement (a 1x1 convolution and an interpolation
    commute); the first 3x3 convolution of the fusion is an `UpsampledConv`."""

    def __init__(self, plain: PromptedSwin) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(plain.__dict__)  # shares its modules
        for level in range(len(plain.fea_fuse)):
            grid = plain.config.grid(min(level + 1, 3))
            for name in plain.names:
                fuse = at(plain.fea_fuse, level, name)
                spatial = at(plain.fea_decode_spa, level, name)
                channel = at(plain.fea_decode_chan, level, name)
                assert isinstance(fuse, nn.Sequential)
                decode = fused_decoding(spatial, channel, fuse)
                if name == DETECTION:
                    fast = nn.Sequential(decode, *list(fuse)[1:])
                else:
                    weight, bias = normalised_conv(fuse[1], fuse[2])  # type: ignore[arg-type]
                    doubled = (2 * grid[0], 2 * grid[1])
                    first = UpsampledConv(weight, bias, grid, doubled)
                    fast = nn.Sequential(decode, first, *list(fuse)[3:])
                insert_module(plain.fea_fuse, level, name, fast)
        del self.fea_decode_spa, self.fea_decode_chan

    def task_features(
        self, level: int, patches: Tensor, prompted: SwinPrompts
    ) -> dict[str, Tensor]:
        """Like PromptedSwin."""
        _, heads, _, rows, columns = prompted.spatial.shape
        maps = tokens_to_map(patches, (rows, columns))
        per_head = maps.unflatten(1, (heads, -1))
        features = {}
        for j, name in enumerate(self.names):
            spatial = (per_head * prompted.spatial[:, :, j, None]).flatten(1, 2) + maps
            channel = maps * prompted.channel[:, j, :, None, None] + maps
            features[name] = at(self.fea_fuse, level, name)(torch.cat([spatial, channel], 1))
        return features
