"""A compact network after TaskPrompter (Ye and Xu, ICLR 2023).

Kept from the paper: joint attention of task prompts and patches, spatial attention maps from the
prompts' rows, channel attention from products of channel prompts and feature channels, cross-task
reweighting from the prompts' attention to one another, task features summed over the blocks
(section 3). Changed for CPUs and for any input size: a convolutional encoder and few blocks at
stride 16; patches attend to pooled patches; a channel prompt is an attention map over the patches
where the paper has weights for every pixel; tanh bounds both attentions; preliminary predictions
and skips as in `training/networks/compact.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import CompactConfig
from training.networks.compact import (
    Predictions,
    at_stride_4,
    at_stride_8,
    conv,
    doubled,
    per_task,
    pyramid_encoder,
)
from training.tasks import task_of


@dataclass(frozen=True, slots=True, eq=False)
class PromptAttention:
    """What a block provides for the task features, before any softmax.

    spatial: (B, heads, T, P) the prompts' rows over the patches; among: (B, heads, T, T) over the
    prompts; channel: (B, T, D) products of the channel prompts with every channel.
    """

    spatial: Tensor
    among: Tensor
    channel: Tensor


class PromptBlock(nn.Module):
    """Pre-norm block over [prompts; patches], which share norms, projections and MLP."""

    def __init__(self, width: int, heads: int, is_last: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.channel_query = nn.Linear(width, width)
        # Nothing reads the last block's prompts.
        self.from_channels = None if is_last else nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(
        self, prompts: Tensor, patches: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor, PromptAttention]:
        """(B, T, D), (B, P, D) with P = h w → the same, and the prompts' attention."""
        count = prompts.shape[1]
        normed = self.norm1(torch.cat([prompts, patches], 1))
        query, key, value = self.query_key_value(normed).chunk(3, -1)
        own_key, own_value = self.split(key), self.split(value)
        few_key, few_value = (self.split(pooled(t, count, grid)) for t in (key, value))
        query = self.split(query)
        among_all = scaled(query[:, :, :count], own_key)  # (B, heads, T, T + P)
        mixed = scaled(query[:, :, count:], few_key).softmax(-1) @ few_value
        patches = patches + self.out(joined(mixed))
        patches = patches + self.mlp(self.norm2(patches))

        channel_map = scaled(self.channel_query(normed[:, :count]), key[:, count:]).softmax(-1)
        channel = channel_map @ normed[:, count:]  # (B, T, D)
        attention = PromptAttention(among_all[..., count:], among_all[..., :count], channel)
        if self.from_channels is not None:
            update = self.out(joined(among_all.softmax(-1) @ own_value))
            prompts = prompts + update + self.from_channels(channel)
            prompts = prompts + self.mlp(self.norm2(prompts))
        return prompts, patches, attention

    def split(self, tokens: Tensor) -> Tensor:
        """(B, N, D) → (B, heads, N, D / heads)."""
        split: Tensor = tokens.unflatten(2, (self.heads, -1))
        return split.transpose(1, 2)


class TaskFeature(nn.Module):
    """Computes one task's feature from one block's patches and prompt attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self.reweight = nn.Sequential(
            nn.Conv2d(heads, heads, 1), nn.GELU(), nn.Conv2d(heads, 1, 1)
        )

    def forward(self, maps: Tensor, spatial: Tensor, channel: Tensor) -> Tensor:
        """(B, D, h, w), (B, heads, h, w), (B, D) → (B, D, h, w).

        Each head scales its own channels.
        """
        heads = spatial.shape[1]
        gate = spatial.tanh()[:, :, None]
        by_space = maps + (maps.unflatten(1, (heads, -1)) * gate).flatten(1, 2)
        by_channel = maps + maps * channel.tanh()[:, :, None, None]
        feature: Tensor = self.fuse(torch.cat([by_space, by_channel], 1))
        return feature

    def weights(self, among: Tensor) -> Tensor:
        """Maps (B, heads, T) attention to every task's prompt to (B, T) shares of the tasks'
        features."""
        weights: Tensor = self.reweight(among[:, :, None]).flatten(1)
        return weights


class CompactPromptNetwork(nn.Module):
    """(B, 3, H, W) normalised images → predictions of every task, and the preliminary ones."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.tasks = config.tasks
        self.encoder, (c4, c8, c16, c32) = pyramid_encoder(config.encoder)
        wide, middle, narrow = config.widths
        grid = config.height_px // 16, config.width_px // 16
        self.from_32, self.from_16 = conv(c32, wide, 1), conv(c16, wide, 1)
        self.position = nn.Parameter(torch.zeros(1, wide, *grid))
        self.prompts = nn.Parameter(torch.randn(1, len(config.tasks), wide))
        count, heads = config.prompt_blocks, config.attention_heads
        self.blocks = nn.ModuleList(
            PromptBlock(wide, heads, is_last=i == count - 1) for i in range(count)
        )
        outputs = {name: task_of(name, config).channels(config) for name in config.tasks}
        self.features = nn.ModuleList(
            per_task(outputs, lambda _: TaskFeature(wide, heads)) for _ in range(count)
        )
        self.decode = per_task(outputs, lambda _: conv(wide, wide))
        self.preliminary = per_task(outputs, lambda n: nn.Conv2d(wide, n[0], 1))
        self.mix = per_task(outputs, lambda n: nn.Conv2d(wide + n[0], wide, 1))
        self.skip_8 = nn.Conv2d(c8, middle, 1)
        self.narrow_8 = per_task(outputs, lambda _: nn.Conv2d(wide, middle, 1))
        self.refine_8 = per_task(outputs, lambda _: conv(middle, middle))
        self.narrow_4 = per_task(outputs, lambda _: conv(middle, narrow, 1))
        self.skip_4 = per_task(outputs, lambda _: nn.Conv2d(c4, narrow, 1))
        self.refine_4 = per_task(outputs, lambda _: conv(narrow, narrow))
        self.heads = per_task(outputs, lambda n: nn.Conv2d(narrow, n[1], 1))
        for name in config.tasks:
            task_of(name, config).initialise(self.preliminary[name], self.heads[name], config)

    def forward(self, image: Tensor) -> tuple[Predictions, Predictions]:
        """Returns predictions at stride 4 and preliminary predictions at stride 16, both by task
        name."""
        f4, f8, f16, f32 = self.encoder(image)
        shared = self.from_16(f16) + doubled(self.from_32(f32)) + self.position
        features = self.task_features(shared)
        skip = self.skip_8(f8)
        late, early = {}, {}
        for name in self.tasks:
            feature = self.decode[name](features[name])
            early[name] = self.preliminary[name](feature)
            x16 = self.mix[name](torch.cat([feature, early[name]], 1))
            x8 = at_stride_8(x16, skip, self.narrow_8[name], self.refine_8[name])
            x4 = at_stride_4(self.narrow_4[name](x8), f4, self.skip_4[name], self.refine_4[name])
            late[name] = self.heads[name](x4)
        return late, early

    def task_features(self, shared: Tensor) -> Predictions:
        """Maps (B, D, h, w) to the same shape for every task, summed over the blocks."""
        grid = shared.shape[2], shared.shape[3]
        patches = shared.flatten(2).transpose(1, 2)
        prompts = self.prompts.expand(shared.shape[0], -1, -1)
        levels = []
        for block, features in zip(self.blocks, self.features, strict=True):
            prompts, patches, attention = block(prompts, patches, grid)
            assert isinstance(features, nn.ModuleDict)
            levels.append(self.level(features, patches, attention, grid))
        return {
            name: torch.stack([level[:, j] for level in levels]).sum(0)
            for j, name in enumerate(self.tasks)
        }

    def level(
        self,
        features: nn.ModuleDict,
        patches: Tensor,
        attention: PromptAttention,
        grid: tuple[int, int],
    ) -> Tensor:
        """Returns one block's task features (B, T, D, h, w), each mixed with its shares of the
        others."""
        maps = patches.transpose(1, 2).unflatten(2, grid)
        spatial = attention.spatial.unflatten(3, grid)
        own, shares = [], []
        for j, name in enumerate(self.tasks):
            feature = features[name]
            assert isinstance(feature, TaskFeature)
            own.append(feature(maps, spatial[:, :, j], attention.channel[:, j]))
            shares.append(feature.weights(attention.among[:, :, j]))
        stacked, weights = torch.stack(own, 1), torch.stack(shares, 1)  # (B, T, T)
        return stacked + (weights @ stacked.flatten(2)).view_as(stacked)


def pooled(tokens: Tensor, count: int, grid: tuple[int, int]) -> Tensor:
    """(B, T + h w, D) → (B, T + h w / 4, D): the patches averaged over 2x2."""
    maps = tokens[:, count:].transpose(1, 2).unflatten(2, grid)
    few = F.avg_pool2d(maps, 2).flatten(2).transpose(1, 2)
    return torch.cat([tokens[:, :count], few], 1)


def scaled(query: Tensor, key: Tensor) -> Tensor:
    logits: Tensor = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    return logits


def joined(heads: Tensor) -> Tensor:
    """(B, heads, N, D / heads) → (B, N, D)."""
    return heads.transpose(1, 2).flatten(2)
