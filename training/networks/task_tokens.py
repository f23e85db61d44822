"""Converts maps of several tasks to one sequence of tokens, task after task, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from training.networks.vit import map_to_tokens, resized, tokens_to_map


def joined(maps: list[Tensor]) -> Tensor:
    """Joins one (B, D, h, w) per task into (B, T h w, D), task after task."""
    return torch.cat([map_to_tokens(m) for m in maps], 1)


def separated(tokens: Tensor, tasks: int, size: tuple[int, int]) -> list[Tensor]:
    """Inverts `joined`."""
    return [tokens_to_map(t, size) for t in tokens.chunk(tasks, 1)]


def enlarged_queries(message: Tensor, tasks: int, grid: tuple[int, int]) -> Tensor:
    """Enlarges (B, heads, T hw/4, K) to (B, heads, T hw, K): each key's column is a map over the
    queries."""
    batch, heads, _, keys = message.shape
    coarse = (grid[0] // 2, grid[1] // 2)
    maps = message.unflatten(2, (tasks, *coarse)).permute(0, 1, 2, 5, 3, 4)
    finer = resized(maps.flatten(0, 2), grid)  # (B heads T, K, h, w)
    return finer.flatten(2).transpose(1, 2).reshape(batch, heads, -1, keys)
