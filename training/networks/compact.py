"""A compact multi-task transformer after InvPT (Ye and Xu, ECCV 2022).

Kept from the paper: preliminary decoders with intermediate predictions (section 3.3),
UP-transformer stages in which the tokens of all tasks attend to one another (3.4, 3.5), attention
messages passed to the next stage (3.6), aggregation over the stages (3.7). Changed for CPUs: an
efficient convolutional encoder, two stages instead of three, narrower maps, and a final
convolution at stride 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import CompactConfig
from training.tasks import task_of

Predictions = dict[str, Tensor]


def conv(inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, groups=groups),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)


class CompactUpStage(nn.Module):
    """Joint attention over the tokens of all tasks, then an MLP (InvPT, section 3.5).

    Queries are taken at half the resolution, keys and values from pooled maps, so that both stages
    attend to the same few tokens. `message` holds the logits of the previous stage.
    """

    def __init__(self, tasks: int, width: int, heads: int, pool: int, receives: bool) -> None:
        super().__init__()
        self.tasks, self.heads, self.pool = tasks, heads, pool
        self.norm = nn.LayerNorm(width)
        channels = tasks * width  # one convolution holds separate depth-wise weights for each task
        self.query_map = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.fuse = nn.Conv2d(2 * heads, heads, 1) if receives else None
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Tensor, message: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T D, h, w), (B, heads, T hw/16, K) or None → same map, (B, heads, T hw/4, K)."""
        height, width = x.shape[2:]
        tokens = self.tokens(x)  # (B, T h w, D)
        normed = self.maps(self.norm(tokens), height, width)
        query = self.split(self.query(self.tokens(self.query_map(normed))))
        pooled = self.tokens(F.avg_pool2d(normed, self.pool))
        key, value = (self.split(t) for t in self.key_value(pooled).chunk(2, -1))
        logits = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        if self.fuse is not None and message is not None:
            message = self.enlarged(message, height // 4, width // 4)
            logits = self.fused(torch.cat([logits, message], 1), self.fuse)
        mixed = (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)  # (B, T hw/4, D)
        update = doubled(self.maps(self.out(mixed), height // 2, width // 2))
        tokens = tokens + self.tokens(update)
        tokens = tokens + self.mlp(tokens)
        return self.maps(tokens, height, width), logits

    def fused(self, logits: Tensor, fuse: nn.Conv2d) -> Tensor:
        """Computes the 1x1 convolution as one product, because its backward pass is ten times
        faster on a CPU."""
        assert fuse.bias is not None
        mixed = fuse.weight.flatten(1) @ logits.flatten(2) + fuse.bias[:, None]
        maps: Tensor = mixed.unflatten(2, logits.shape[2:])
        return maps

    def tokens(self, maps: Tensor) -> Tensor:
        """(B, T D, h, w) → (B, T h w, D)."""
        per_task: Tensor = maps.unflatten(1, (self.tasks, -1)).flatten(3)  # (B, T, D, hw)
        return per_task.transpose(2, 3).flatten(1, 2)

    def maps(self, tokens: Tensor, height: int, width: int) -> Tensor:
        per_task: Tensor = tokens.unflatten(1, (self.tasks, height * width))
        return per_task.transpose(2, 3).reshape(tokens.shape[0], -1, height, width)

    def split(self, tokens: Tensor) -> Tensor:
        """(B, N, D) → (B, heads, N, D / heads)."""
        split: Tensor = tokens.unflatten(2, (self.heads, -1))
        return split.transpose(1, 2)

    def enlarged(self, message: Tensor, height: int, width: int) -> Tensor:
        """Interpolates bilinearly along the queries only; a query is a pixel of a task's map."""
        keys = message.shape[3]
        maps = message.unflatten(2, (self.tasks, height, width)).flatten(0, 2)  # (B H T, h, w, K)
        maps = doubled(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return maps.reshape(-1, self.heads, self.tasks * height * width * 4, keys)


class CompactNetwork(nn.Module):
    """(B, 3, H, W) normalised images → predictions of every task, and the preliminary ones."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.tasks = config.tasks
        self.encoder, (c4, c8, c16, c32) = pyramid_encoder(config.encoder)
        wide, middle, narrow = config.widths
        grid = config.height_px // 16, config.width_px // 16
        self.from_32, self.from_16 = conv(c32, wide, 1), conv(c16, wide, 1)
        self.position = nn.Parameter(torch.zeros(1, wide, *grid))
        heads = {name: task_of(name, config).channels(config) for name in config.tasks}
        self.decode = per_task(heads, lambda _: conv(wide, wide))
        self.preliminary = per_task(heads, lambda n: nn.Conv2d(wide, n[0], 1))
        self.mix = per_task(heads, lambda n: nn.Conv2d(wide + n[0], wide, 1))
        count = len(config.tasks)
        self.stage_16 = CompactUpStage(count, wide, config.attention_heads, 2, receives=False)
        self.stage_8 = CompactUpStage(count, middle, config.attention_heads, 4, receives=True)
        self.skip_8 = nn.Conv2d(c8, middle, 1)
        self.narrow_8 = per_task(heads, lambda _: nn.Conv2d(wide, middle, 1))
        self.refine_8 = per_task(heads, lambda _: conv(middle, middle))
        self.sum_16 = per_task(heads, lambda _: conv(wide, narrow, 1))
        self.sum_8 = per_task(heads, lambda _: conv(middle, narrow, 1))
        self.skip_4 = per_task(heads, lambda _: nn.Conv2d(c4, narrow, 1))
        self.refine_4 = per_task(heads, lambda _: conv(narrow, narrow))
        self.heads = per_task(heads, lambda n: nn.Conv2d(narrow, n[1], 1))
        for name in config.tasks:
            task_of(name, config).initialise(self.preliminary[name], self.heads[name], config)

    def forward(self, image: Tensor) -> tuple[Predictions, Predictions]:
        """Returns predictions at stride 4 and preliminary predictions at stride 16, both by task
        name."""
        f4, f8, f16, f32 = self.encoder(image)
        shared = self.from_16(f16) + doubled(self.from_32(f32)) + self.position
        features = {name: self.decode[name](shared) for name in self.tasks}
        early = {name: self.preliminary[name](features[name]) for name in self.tasks}
        mixed = [self.mix[n](torch.cat([features[n], early[n]], 1)) for n in self.tasks]
        x16, message = self.stage_16(torch.cat(mixed, 1), None)  # (B, T wide, H/16, W/16)
        by_task_16 = dict(zip(self.tasks, x16.chunk(len(self.tasks), 1), strict=True))
        skip = self.skip_8(f8)
        finer = [
            at_stride_8(by_task_16[n], skip, self.narrow_8[n], self.refine_8[n])
            for n in self.tasks
        ]
        x8, _ = self.stage_8(torch.cat(finer, 1), message)  # (B, T middle, H/8, W/8)
        by_task_8 = dict(zip(self.tasks, x8.chunk(len(self.tasks), 1), strict=True))
        late = {}
        for name in self.tasks:
            total = doubled(self.sum_16[name](by_task_16[name])) + self.sum_8[name](
                by_task_8[name]
            )
            fine = at_stride_4(total, f4, self.skip_4[name], self.refine_4[name])
            late[name] = self.heads[name](fine)
        return late, early


def pyramid_encoder(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Creates a timm encoder without trained weights and lists its channels at strides 4, 8, 16,
    32.

    Raises ValueError if its maps have other strides.
    """
    encoder: nn.Module = timm.create_model(
        name, features_only=True, pretrained=False, out_indices=(-4, -3, -2, -1)
    )
    feature_info: Any = encoder.feature_info
    strides = tuple(feature_info.reduction())
    if strides != (4, 8, 16, 32):
        raise ValueError(
            f'{name} has maps at strides {strides}; use one with strides 4, 8, 16 and 32.'
        )
    in_float32_on_cpu(encoder)
    return encoder, tuple(feature_info.channels())


def at_stride_8(x16: Tensor, skip: Tensor, narrow: nn.Module, refine: nn.Module) -> Tensor:
    """Combines a task's map at stride 16 and the shared skip at stride 8 into its map at stride
    8."""
    finer: Tensor = refine(doubled(narrow(x16)) + skip)
    return finer


def at_stride_4(x8: Tensor, f4: Tensor, skip: nn.Module, refine: nn.Module) -> Tensor:
    """Combines a task's map at stride 8 and the encoder's at stride 4 into its map at stride 4."""
    finest: Tensor = refine(doubled(x8) + skip(f4))
    return finest


def in_float32_on_cpu(encoder: nn.Module) -> None:
    """Excludes depth-wise convolutions from CPU autocast.

    oneDNN's backward pass for them is 2 to 5 times slower in bfloat16 than in float32.
    """

    def outside(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if not torch.is_autocast_enabled('cpu') or x.device.type != 'cpu':
            return forward(x)
        with torch.autocast('cpu', enabled=False):
            return forward(x.float()).to(x.dtype)

    for module in encoder.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.forward = partial(outside, module.forward)  # type: ignore[method-assign]


def per_task(
    channels: dict[str, tuple[int, int]], build: Callable[[tuple[int, int]], nn.Module]
) -> nn.ModuleDict:
    """Builds a module per task; channels: task → channels of preliminary and final prediction."""
    return nn.ModuleDict({name: build(n) for name, n in channels.items()})
