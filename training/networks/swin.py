"""Swin blocks (Liu et al., ICCV 2021) whose windows include TaskPrompter's task prompts.

Module names are those of the released checkpoints. Position index and shift mask follow from the
architecture, so they are buffers here that our state_dict leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.layers.drop import drop_path
from torch import Tensor, nn

from training.networks.vit import Mlp, map_to_tokens, tokens_to_map

MASKED = -100.0


@dataclass(frozen=True, slots=True)
class BlockShape:
    """width: channels; grid: tokens along y and x; window: side length; shift: 0 or half a
    window."""

    width: int
    heads: int
    grid: tuple[int, int]
    window: int
    shift: int
    prompts: int
    chan_dim: int

    @property
    def padded(self) -> tuple[int, int]:
        """Returns the grid extended to whole windows."""
        rows, columns = (-(-n // self.window) * self.window for n in self.grid)
        return rows, columns

    @property
    def windows(self) -> tuple[int, int]:
        """Returns the number of windows along y and x."""
        return self.padded[0] // self.window, self.padded[1] // self.window


@dataclass(frozen=True, slots=True, eq=False)
class SwinPrompts:
    """spatial: (B, heads, T, h, w) raw products of prompts and patches; channel: (B, T, C)."""

    spatial: Tensor
    channel: Tensor


class WindowAttention(nn.Module):
    """Joint attention over [prompts; window]; position bias and mask apply to patches only."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.shape = shape
        table = (2 * shape.window - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.zeros(table, shape.heads))
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.proj = nn.Linear(shape.width, shape.width)
        self.register_buffer('relative_position_index', position_index(shape.window), False)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B W, T + n, C) with W windows → the same shape, and raw products (B W, heads, T, n)."""
        heads, count = self.shape.heads, self.shape.prompts
        qkv = self.qkv(x).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        # In float32 even in a float16 network, because raw products exceed float16's range.
        raw = query[:, :, :count].float() @ key[:, :, count:].float().transpose(2, 3)
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        among_patches = logits[:, :, count:, count:] + self.bias()
        if mask is not None:
            by_image = among_patches.unflatten(0, (-1, len(mask)))
            among_patches = (by_image + mask[None, :, None]).flatten(0, 1)
        below = torch.cat([logits[:, :, count:, :count], among_patches], 3)
        logits = torch.cat([logits[:, :, :count], below], 2)
        out = self.proj((logits.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return out, raw

    def bias(self) -> Tensor:
        """(heads, n, n)."""
        index = self.relative_position_index
        assert isinstance(index, Tensor)
        return self.relative_position_bias_table[index].permute(2, 0, 1)


class PromptedSwinBlock(nn.Module):
    """Window attention with prompts, channel prompts, MLP. drop: as in `vit.Block`.

    Source: docs/network-specification.md, section 3.2.
    """

    drop = 0.0

    def __init__(self, shape: BlockShape, is_last: bool) -> None:
        super().__init__()
        self.shape = shape
        width, inner = shape.width, shape.chan_dim
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(shape)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.token_trans = nn.Linear(width, inner)
        self.chan_q = nn.Linear(inner, inner)
        self.chan_kv = nn.Linear(shape.grid[0] * shape.grid[1], 2 * inner)
        # No later block reads the prompts of the network's last block.
        self.chan_proj = None if is_last else nn.Linear(inner, inner)
        self.token_trans1 = None if is_last else nn.Linear(inner, width)
        self.register_buffer('attn_mask', shift_mask(shape) if shape.shift else None, False)

    def forward(self, prompts: Tensor, patches: Tensor) -> tuple[Tensor, Tensor, SwinPrompts]:
        """(B, T, C), (B, h w, C) → the same shapes, and the products that the decoder needs."""
        prompt_update, patch_update, spatial = self.attend(
            self.norm1(prompts), self.norm1(patches)
        )
        query = self.chan_q(self.token_trans(prompts))  # (B, T, chan_dim)
        key, value = self.chan_kv(patch_update.transpose(1, 2)).chunk(2, 2)  # (B, C, chan_dim)
        channel = query.float() @ key.float().transpose(1, 2)  # (B, T, C)
        patches = patches + self.dropped(patch_update)
        patches = patches + self.dropped(self.mlp(self.norm2(patches)))
        if self.chan_proj is not None and self.token_trans1 is not None:
            weights = (channel * query.shape[2] ** -0.5).softmax(-1)
            attended = weights.to(value.dtype) @ value
            update = prompt_update + self.token_trans1(self.chan_proj(attended))
            prompts = prompts + self.dropped(update)
            prompts = prompts + self.dropped(self.mlp(self.norm2(prompts)))
        return prompts, patches, SwinPrompts(spatial, channel)

    def dropped(self, update: Tensor) -> Tensor:
        kept: Tensor = drop_path(update, self.drop, self.training)
        return kept

    def attend(self, prompts: Tensor, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps normalised tokens to updates of prompts and patches, and raw products (B, heads, T,
        h, w)."""
        shape, batch = self.shape, patches.shape[0]
        windows = self.cut(tokens_to_map(patches, shape.grid))  # (B, W, n, C)
        count = windows.shape[1]
        everywhere = prompts[:, None].expand(-1, count, -1, -1)
        joint = torch.cat([everywhere, windows], 2).flatten(0, 1)
        mask = self.attn_mask
        assert mask is None or isinstance(mask, Tensor)
        out, raw = self.attn(joint, mask)
        out = out.unflatten(0, (batch, count))
        prompt_update = out[:, :, : shape.prompts].mean(1)
        patch_update = map_to_tokens(self.assembled(out[:, :, shape.prompts :]))
        raw = raw.unflatten(0, (batch, count)).flatten(2, 3).transpose(2, 3)  # (B, W, n, heads T)
        spatial = self.assembled(raw).unflatten(1, (shape.heads, shape.prompts))
        return prompt_update, patch_update, spatial

    def cut(self, maps: Tensor) -> Tensor:
        """Pads, shifts and cuts (B, C, h, w) into windows (B, W, n, C)."""
        shape = self.shape
        below, right = shape.padded[0] - shape.grid[0], shape.padded[1] - shape.grid[1]
        maps = nn.functional.pad(maps, (0, right, 0, below))
        maps = maps.roll((-shape.shift, -shape.shift), (2, 3))
        tiles = maps.unflatten(3, (shape.windows[1], -1)).unflatten(2, (shape.windows[0], -1))
        windows: Tensor = tiles.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)
        return windows

    def assembled(self, windows: Tensor) -> Tensor:
        """Inverts `cut`: (B, W, n, C) → (B, C, h, w)."""
        shape, side = self.shape, self.shape.window
        tiles = windows.unflatten(1, shape.windows).unflatten(3, (side, side))
        maps: Tensor = tiles.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        maps = maps.roll((shape.shift, shape.shift), (2, 3))
        return maps[:, :, : shape.grid[0], : shape.grid[1]]


class PatchMerging(nn.Module):
    """Halves the resolution and doubles the channels of patches, prompts and their products."""

    def __init__(self, width: int, heads: int, prompts: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)
        self.process_chan_attn = nn.Linear(width, 2 * width, bias=False)
        self.task_prompts_up = nn.Linear(width, 2 * width, bias=False)
        self.spa_attn_ds = nn.Conv2d(heads * prompts, heads * prompts, 3, 2, 1)

    def forward(
        self, prompts: Tensor, patches: Tensor, prompted: SwinPrompts
    ) -> tuple[Tensor, Tensor, SwinPrompts]:
        """(B, T, C), (B, h w, C) and products → the same at half the grid and with 2 C
        channels."""
        heads, grid = prompted.spatial.shape[1], prompted.spatial.shape[3:]
        x = patches.unflatten(1, (grid[0], grid[1]))
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]  # x00, x10, x01, x11
        merged = self.reduction(self.norm(torch.cat(corners, 3)))
        spatial = self.spa_attn_ds(prompted.spatial.flatten(1, 2)).unflatten(1, (heads, -1))
        channel = self.process_chan_attn(prompted.channel)
        return self.task_prompts_up(prompts), merged.flatten(1, 2), SwinPrompts(spatial, channel)


def position_index(window: int) -> Tensor:
    """Returns (n, n): the row of the bias table for every pair of positions in a window."""
    # on the CPU even while the network is built on the meta device
    side = torch.arange(window, device='cpu')
    at = torch.stack(torch.meshgrid(side, side, indexing='ij')).flatten(1)  # (2, n)
    offset = at[:, :, None] - at[:, None, :] + window - 1
    return offset[0] * (2 * window - 1) + offset[1]


def shift_mask(shape: BlockShape) -> Tensor:
    """Returns (W, n, n): MASKED between positions that only the cyclic shift made neighbours."""
    regions = torch.zeros(shape.padded, device='cpu')
    cuts = (slice(0, -shape.window), slice(-shape.window, -shape.shift), slice(-shape.shift, None))
    for i, rows in enumerate(cuts):
        for j, columns in enumerate(cuts):
            regions[rows, columns] = 3 * i + j
    tiles = regions.unflatten(1, (shape.windows[1], -1)).unflatten(0, (shape.windows[0], -1))
    of_window = tiles.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)  # (W, n)
    differ = of_window[:, None, :] != of_window[:, :, None]
    return torch.where(differ, MASKED, 0.0)
