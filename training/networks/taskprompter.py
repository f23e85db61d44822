"""TaskPrompter (Ye and Xu, ICLR 2023) on a ViT: task prompts run through the encoder's blocks.

Module names are those of the released checkpoints. Only the prompts' rows of the raw attention are
needed, so the attention itself uses the fused kernel. The channel prompts' attention output, which
the authors compute and discard, is left out (docs/network-specification.md, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from timm.layers.drop import drop_path
from torch import Tensor, nn

from training.networks.vit import (
    LAYER_NORM_EPS,
    Attention,
    Mlp,
    PatchEmbed,
    resized,
    tokens_to_map,
)

LEVELS = 4


@dataclass(frozen=True, slots=True)
class TaskPrompterConfig:
    """embed_dim: width of the decoded spatial and channel features; final_dim: width of the task
    features; chan_heads: number of windows of the channel prompts, a square number; reweights:
    whether tasks are reweighted by one another.
    """

    width: int
    depth: int
    heads: int
    taps: tuple[int, int, int]
    height_px: int
    width_px: int
    tasks: tuple[tuple[str, int], ...]
    embed_dim: int
    final_dim: int
    chan_heads: int
    reweights: bool

    @property
    def grid(self) -> tuple[int, int]:
        """Returns the number of patches along y and x."""
        return self.height_px // 16, self.width_px // 16


@dataclass(frozen=True, slots=True, eq=False)
class BlockPrompts:
    """What one block provides for the decoder.

    spatial: (B, heads, T, T + P) raw products of the prompts' queries with all keys, prompts
    first; channel: (B, T, C, n, n) raw products of the channel prompts with each channel, by
    window.
    """

    spatial: Tensor
    channel: Tensor


class PromptedAttention(Attention):
    """Joint self-attention over [prompts; patches] that also returns the raw prompt attention."""

    def __init__(
        self, width: int, heads: int, grid: tuple[int, int], windows: int, is_last: bool
    ) -> None:
        super().__init__(width, heads)
        patches = grid[0] * grid[1]
        self.grid, self.windows = grid, windows
        self.token_trans = nn.Linear(width, patches)
        # No later block reads the prompts of the last one.
        self.token_trans1 = None if is_last else nn.Linear(patches, width)

    def prompted(self, prompts: Tensor, patches: Tensor) -> tuple[Tensor, Tensor, BlockPrompts]:
        """Maps normalised (B, T, C) and (B, P, C) to their updates and the raw products."""
        count = prompts.shape[1]
        query, key, value = self.heads_of(torch.cat([prompts, patches], 1))
        # Raw products exceed float16's range; .float() does nothing in a float32 network.
        spatial = query[:, :, :count].float() @ key.float().transpose(2, 3)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        out = self.merged(attended)
        channel_prompts = self.token_trans(prompts)  # (B, T, P)
        update = out[:, :count]
        if self.token_trans1 is not None:
            update = update + self.token_trans1(channel_prompts)
        products = self.channel_products(channel_prompts, patches)
        return update, out[:, count:], BlockPrompts(spatial, products)

    def channel_products(self, prompts: Tensor, patches: Tensor) -> Tensor:
        """Maps (B, T, P), (B, P, C) to (B, T, C, n, n): inner products within each of n x n
        windows."""
        n, (height, width) = self.windows, self.grid
        cut = (n, height // n, n, width // n)
        prompt_windows = prompts.float().unflatten(2, cut)
        channel_windows = patches.float().transpose(1, 2).unflatten(2, cut)
        return torch.einsum('btiyjx,bciyjx->btcij', prompt_windows, channel_windows)


class PromptedBlock(nn.Module):
    """Pre-norm block; prompts and patches share norms and MLP. drop: as in `vit.Block`."""

    drop = 0.0

    def __init__(self, config: TaskPrompterConfig, is_last: bool) -> None:
        super().__init__()
        windows = math.isqrt(config.chan_heads)
        self.norm1 = nn.LayerNorm(config.width, LAYER_NORM_EPS)
        self.attn = PromptedAttention(config.width, config.heads, config.grid, windows, is_last)
        self.norm2 = nn.LayerNorm(config.width, LAYER_NORM_EPS)
        self.mlp = Mlp(config.width)

    def forward(self, prompts: Tensor, patches: Tensor) -> tuple[Tensor, Tensor, BlockPrompts]:
        """(B, T, C), (B, P, C) → the same shapes, and what the decoder needs."""
        prompt_update, patch_update, prompted = self.attn.prompted(
            self.norm1(prompts), self.norm1(patches)
        )
        patches = patches + self.dropped(patch_update)
        patches = patches + self.dropped(self.mlp(self.norm2(patches)))
        prompts = prompts + self.dropped(prompt_update)
        prompts = prompts + self.dropped(self.mlp(self.norm2(prompts)))
        return prompts, patches, prompted

    def dropped(self, update: Tensor) -> Tensor:
        kept: Tensor = drop_path(update, self.drop, self.training)
        return kept


class PromptedEncoder(nn.Module):
    """ViT with task prompts that decodes task features from four of its levels."""

    def __init__(self, config: TaskPrompterConfig) -> None:
        super().__init__()
        self.config = config
        self.names = [name for name, _ in config.tasks]
        width, tasks = config.width, len(config.tasks)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.grid[0] * config.grid[1] + 1, width))
        self.task_prompts = nn.Parameter(torch.zeros(tasks, width))
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(
            PromptedBlock(config, is_last=i == config.depth - 1) for i in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, LAYER_NORM_EPS)
        inner, final = config.embed_dim, config.final_dim
        self.fea_fuse = self.per_level(lambda: task_fusion(2 * inner, final))
        self.fea_decode_spa = self.per_level(lambda: nn.Sequential(nn.Conv2d(width, inner, 1)))
        self.fea_decode_chan = self.per_level(lambda: nn.Sequential(nn.Conv2d(width, inner, 1)))
        if config.reweights:
            heads = config.heads
            self.ctr_attn_conv = self.per_level(
                lambda: nn.Sequential(
                    nn.Conv2d(heads, heads, 1), nn.GELU(), nn.Conv2d(heads, 1, 1)
                )
            )

    def per_level(self, build: Callable[[], nn.Module]) -> nn.ModuleList:
        """Builds one module per level and task."""
        return nn.ModuleList(
            nn.ModuleDict({name: build() for name in self.names}) for _ in range(LEVELS)
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) → (B, final_dim, H/16, W/16) by task, summed over the levels."""
        patches = self.patch_embed(image) + self.pos_embed[:, 1:]  # the CLS position is unused
        prompts = self.task_prompts.expand(image.shape[0], -1, -1)
        levels: list[dict[str, Tensor]] = []
        for number, block in enumerate(self.blocks, start=1):
            prompts, patches, prompted = block(prompts, patches)
            if number in self.config.taps:
                levels.append(self.task_features(len(levels), patches, prompted))
        levels.append(self.task_features(LEVELS - 1, self.norm(patches), prompted))
        return {name: torch.stack([level[name] for level in levels]).sum(0) for name in self.names}

    def task_features(
        self, level: int, patches: Tensor, prompted: BlockPrompts
    ) -> dict[str, Tensor]:
        """Computes (B, final_dim, h, w) by task from one level's patches (B, P, C) and prompt
        attention."""
        count, grid = len(self.names), self.config.grid
        maps = tokens_to_map(patches, grid)  # (B, C, h, w)
        features = {}
        for j, name in enumerate(self.names):
            attention = prompted.spatial[:, :, j, count:].unflatten(2, grid)  # (B, heads, h, w)
            per_head = maps.unflatten(1, (self.config.heads, -1))
            spatial = (per_head * attention[:, :, None]).flatten(1, 2) + maps
            channel = maps * self.spread(prompted.channel[:, j]) + maps
            both = [
                self.at(self.fea_decode_spa, level, name)(spatial),
                self.at(self.fea_decode_chan, level, name)(channel),
            ]
            features[name] = self.at(self.fea_fuse, level, name)(torch.cat(both, 1))
        return self.reweighted(level, features, prompted) if self.config.reweights else features

    def reweighted(
        self, level: int, features: dict[str, Tensor], prompted: BlockPrompts
    ) -> dict[str, Tensor]:
        """Replaces each task's feature by a mix of all tasks', weighted by the prompts' attention
        to one another."""
        stacked = torch.stack(list(features.values()), 1)  # (B, T, D, h, w)
        count = len(self.names)
        mixed = {}
        for j, name in enumerate(self.names):
            among = prompted.spatial[:, :, j : j + 1, :count]  # (B, heads, 1, T)
            weights = self.at(self.ctr_attn_conv, level, name)(among).flatten(1)  # (B, T)
            mixed[name] = (stacked * weights[:, :, None, None, None]).sum(1)
        return mixed

    def spread(self, products: Tensor) -> Tensor:
        """Expands (B, C, n, n) to (B, C, h, w) by repeating each value over its window."""
        rows, columns = self.config.grid
        n = products.shape[2]
        tall = products.repeat_interleave(rows // n, 2)
        return tall.repeat_interleave(columns // n, 3)

    @staticmethod
    def at(modules: nn.ModuleList, level: int, name: str) -> nn.Module:
        """Returns the module of one level and task."""
        of_level = modules[level]
        assert isinstance(of_level, nn.ModuleDict)
        return of_level[name]


class TaskHead(nn.Module):
    """3x3 convolution, batch norm, GELU, 1x1 convolution."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.mt_proj = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.GELU()
        )
        self.linear_pred = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear_pred(self.mt_proj(x))
        return y


class TaskPrompterNetwork(nn.Module):
    """(B, 3, H, W) normalised RGB → raw outputs by task at (H, W)."""

    def __init__(self, config: TaskPrompterConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = PromptedEncoder(config)
        self.heads = nn.ModuleDict({n: TaskHead(config.final_dim, c) for n, c in config.tasks})

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Raises ValueError for an image size other than that of the weights."""
        size = (image.shape[2], image.shape[3])
        expected = (self.config.height_px, self.config.width_px)
        if size != expected:
            raise ValueError(
                f'The image is {size[1]}x{size[0]} px, but the weights of token_trans exist for '
                f'{expected[1]}x{expected[0]} only; resize the image or train at its size.'
            )
        features = self.backbone(image)
        quarter = (size[0] // 4, size[1] // 4)
        return {n: resized(self.heads[n](resized(f, quarter)), size) for n, f in features.items()}


def task_fusion(inputs: int, outputs: int) -> nn.Sequential:
    """Fuses spatial and channel features; nothing lies between the first two convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.GELU(),
        nn.Conv2d(outputs, outputs, 1),
    )
