"""Attention across the tokens of all tasks: the UP-transformer of InvPT (Ye and Xu, ECCV 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.task_tokens import enlarged_queries, joined, separated
from training.networks.vit import Mlp, resized

HEADS = 2


class QueryConv(nn.Module):
    """Depth-wise 3x3 convolution with stride 2, batch norm: (B, D, h, w) → (B, D, h/2, w/2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 2, 1, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y


class CrossTaskAttention(nn.Module):
    """Attention over the tokens of all tasks with few keys, which also passes a message to the
    next stage (section 3.3 of the paper, eq. 4 and 5)."""

    def __init__(self, width: int, tasks: int, stage: int) -> None:
        super().__init__()
        self.width, self.pool = width, 2 ** (stage + 1)
        self.conv_proj_q = nn.ModuleList(QueryConv(width) for _ in range(tasks))
        self.proj_q = nn.Linear(width, width)
        self.proj_k = nn.Linear(width, width)
        self.proj_v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.fuse_attn = nn.Conv2d(2 * HEADS, HEADS, 1) if stage else None

    def forward(self, maps: list[Tensor], message: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """One (B, D, h, w) per task → the same shapes, and logits (B, heads, T hw/4, K)."""
        grid = maps[0].shape[2] // 2, maps[0].shape[3] // 2
        queries = [conv(m) for conv, m in zip(self.conv_proj_q, maps, strict=True)]
        pooled = [nn.functional.avg_pool2d(m, self.pool, ceil_mode=True) for m in maps]
        query = self.heads_of(self.proj_q(joined(queries)))
        memory = joined(pooled)
        key, value = self.heads_of(self.proj_k(memory)), self.heads_of(self.proj_v(memory))
        logits = (query * self.width**-0.5) @ key.transpose(2, 3)
        if self.fuse_attn is not None and message is not None:
            finer = enlarged_queries(message, len(maps), grid)
            logits = self.fuse_attn(torch.cat([logits, finer], 1))
        out = self.proj((logits.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return separated(out, len(maps), grid), logits

    def heads_of(self, tokens: Tensor) -> Tensor:
        """(B, N, D) → (B, heads, N, D / heads)."""
        heads: Tensor = tokens.unflatten(2, (HEADS, -1)).transpose(1, 2)
        return heads


class UpBlock(nn.Module):
    """Pre-norm block around the cross-task attention."""

    def __init__(self, width: int, tasks: int, stage: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = CrossTaskAttention(width, tasks, stage)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, maps: list[Tensor], message: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """One (B, D, h, w) per task → the same shapes, and the message to the next stage."""
        size = (maps[0].shape[2], maps[0].shape[3])
        x = joined(maps)
        normed = separated(self.norm1(x), len(maps), size)
        update, message = self.attn(normed, message)
        x = x + joined([resized(u, size) for u in update])
        x = x + self.mlp(self.norm2(x))
        return separated(x, len(maps), size), message
