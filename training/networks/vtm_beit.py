"""The image encoder of Visual Token Matching: BEiT (Bao et al., ICLR 2022) whose biases exist once
for every channel that was ever learned (Kim et al., ICLR 2023, section 3).

Module names are those of the released checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.vit import LAYER_NORM_EPS, PatchEmbed, tokens_to_map

TOKEN_CLASSES = 3  # rows of the bias table that concern the CLS token


def chosen(bias: Tensor, rows: Tensor | None) -> Tensor:
    """(tasks, C), rows (B,) → (B, 1, C); None: the only row there is, (1, 1, C)."""
    return (bias if rows is None else bias[rows])[:, None]


class TaskLinear(nn.Module):
    """A linear layer with one bias per task: (B, N, inputs), rows (B,) → (B, N, outputs)."""

    def __init__(self, inputs: int, outputs: int, tasks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(tasks, outputs))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        return F.linear(x, self.weight) + chosen(self.bias, rows)


class TaskNorm(nn.Module):
    """Layer norm with one bias per task: (B, N, C), rows (B,) → (B, N, C)."""

    def __init__(self, width: int, tasks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(tasks, width))

    def forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        normed = F.layer_norm(x, self.weight.shape, self.weight, None, LAYER_NORM_EPS)
        return normed + chosen(self.bias, rows)


class BeitAttention(nn.Module):
    """Self-attention with a learned bias for the offset between two patches. Queries and values
    have biases, shared by all tasks; keys have none."""

    def __init__(self, width: int, heads: int, grid: int, tasks: int) -> None:
        super().__init__()
        self.heads = heads
        offsets = (2 * grid - 1) ** 2 + TOKEN_CLASSES
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.relative_position_bias_table = nn.Parameter(torch.zeros(offsets, heads))
        self.register_buffer('relative_position_index', position_index(grid), False)
        self.proj = TaskLinear(width, width, tasks)

    def forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        """(B, 1 + g², C), rows (B,) → (B, 1 + g², C)."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias)
        query, key, value = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        index = self.relative_position_index
        assert isinstance(index, Tensor)
        offsets = self.relative_position_bias_table[index].permute(2, 0, 1)  # (heads, N, N)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=offsets[None])
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2), rows)
        return out


class BeitMlp(nn.Module):
    """Linear, exact GELU, Linear; four times as wide inside."""

    def __init__(self, width: int, tasks: int) -> None:
        super().__init__()
        self.fc1 = TaskLinear(width, 4 * width, tasks)
        self.fc2 = TaskLinear(4 * width, width, tasks)

    def forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x, rows)), rows)
        return y


class BeitBlock(nn.Module):
    """Pre-norm block whose branches are scaled by channel (layer scale, Touvron et al., 2021)."""

    def __init__(self, width: int, heads: int, grid: int, tasks: int) -> None:
        super().__init__()
        self.norm1 = TaskNorm(width, tasks)
        self.attn = BeitAttention(width, heads, grid, tasks)
        self.gamma_1 = nn.Parameter(torch.full((width,), 0.1))
        self.norm2 = TaskNorm(width, tasks)
        self.mlp = BeitMlp(width, tasks)
        self.gamma_2 = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor, rows: Tensor | None) -> Tensor:
        x = x + self.gamma_1 * self.attn(self.norm1(x, rows), rows)
        y: Tensor = x + self.gamma_2 * self.mlp(self.norm2(x, rows), rows)
        return y


class Beit(nn.Module):
    """Encoder that hands out the patch tokens of four blocks, as they are."""

    def __init__(
        self, width: int, depth: int, heads: int, taps: tuple[int, ...], grid: int, tasks: int
    ) -> None:
        super().__init__()
        self.taps, self.grid = taps, (grid, grid)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(BeitBlock(width, heads, grid, tasks) for _ in range(depth))

    def forward(self, image: Tensor, rows: Tensor | None) -> list[Tensor]:
        """(B, 3, 16 g, 16 g) in [0, 1], rows (B,) of the biases or None → maps (B, C, g, g)."""
        x = self.patch_embed(image)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
        found = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, rows)
            if number in self.taps:
                found.append(tokens_to_map(x[:, 1:], self.grid))
        return found


def position_index(grid: int) -> Tensor:
    """(1 + g², 1 + g²) row of the bias table for every pair of tokens, CLS first.

    The last three rows of the table are for CLS to any patch, any patch to CLS, CLS to itself.
    """
    side = torch.arange(grid, device='cpu')  # also where the network is built on meta
    at = torch.stack(torch.meshgrid(side, side, indexing='ij')).flatten(1)  # (2, g²)
    offset = at[:, :, None] - at[:, None, :] + grid - 1
    rows = (2 * grid - 1) ** 2 + TOKEN_CLASSES
    index = torch.full((grid * grid + 1,) * 2, rows - 3, dtype=torch.int64, device='cpu')
    index[1:, 1:] = offset[0] * (2 * grid - 1) + offset[1]
    index[1:, 0] = rows - 2
    index[0, 0] = rows - 1
    return index
