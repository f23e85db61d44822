"""Plain ViT modules with timm's parameter names, which the released checkpoints use."""

from __future__ import annotations

import torch
from timm.layers.drop import drop_path
from torch import Tensor, nn

LAYER_NORM_EPS = 1e-6


class PatchEmbed(nn.Module):
    """(B, 3, H, W) → (B, N, C): embeds 16 x 16 patches, row by row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 16, 16)

    def forward(self, image: Tensor) -> Tensor:
        tokens: Tensor = self.proj(image).flatten(2).transpose(1, 2)
        return tokens


class Mlp(nn.Module):
    """Linear, exact GELU, Linear; the hidden width is four times the input's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.act(self.fc1(x)))
        return y


class Attention(nn.Module):
    """Self-attention with one projection to q | k | v."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.heads_of(x)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.merged(attended)

    def heads_of(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, C) → q, k, v of (B, heads, N, C / heads)."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        return query, key, value

    def merged(self, attended: Tensor) -> Tensor:
        """(B, heads, N, C / heads) → (B, N, C), projected."""
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Pre-norm transformer block (Dosovitskiy et al., ICLR 2021, eq. 2 and 3).

    drop: probability of skipping a branch in training, see `set_drop_path`.
    """

    drop = 0.0

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, LAYER_NORM_EPS)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropped(self.attn(self.norm1(x)))
        y: Tensor = x + self.dropped(self.mlp(self.norm2(x)))
        return y

    def dropped(self, update: Tensor) -> Tensor:
        kept: Tensor = drop_path(update, self.drop, self.training)
        return kept


class VisionTransformer(nn.Module):
    """Encoder that returns the patch tokens of some blocks and, normalised, of the last one."""

    def __init__(
        self, width: int, depth: int, heads: int, taps: tuple[int, ...], grid: tuple[int, int]
    ) -> None:
        super().__init__()
        self.taps, self.grid = taps, grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, grid[0] * grid[1] + 1, width))
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, LAYER_NORM_EPS)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → maps (B, C, H/16, W/16), one per tap and the last."""
        patches = self.patch_embed(image)
        cls = self.cls_token.expand(image.shape[0], -1, -1)
        x = torch.cat([cls, patches], 1) + self.pos_embed
        found = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in self.taps:
                found.append(x)
        found.append(self.norm(x))
        return [tokens_to_map(tokens[:, 1:], self.grid) for tokens in found]


def set_drop_path(blocks: list[nn.Module], most: float) -> None:
    """Sets stochastic depth (Huang et al., ECCV 2016, section 3) from 0 at the first block to
    `most` at the last; it acts per image, in training mode only."""
    for number, block in enumerate(blocks):
        block.drop = most * number / max(1, len(blocks) - 1)  # type: ignore[assignment]


def tokens_to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, h w, C) → (B, C, h, w)."""
    maps: Tensor = tokens.transpose(1, 2).unflatten(2, grid)
    return maps


def map_to_tokens(maps: Tensor) -> Tensor:
    """(B, C, h, w) → (B, h w, C)."""
    return maps.flatten(2).transpose(1, 2)


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes bilinearly, half-pixel centres, no antialiasing, as both papers do everywhere."""
    return nn.functional.interpolate(maps, size, mode='bilinear', align_corners=False)
