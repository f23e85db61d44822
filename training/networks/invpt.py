"""InvPT (Ye and Xu, Inverted Pyramid Multi-task Transformer, ECCV 2022) on a ViT.

Module names are those of the released checkpoints, without their unused branches
(docs/network-specification.md, section 0.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.networks.invpt_layers import ConvBn, PatchExpand, QueryConv
from training.networks.task_tokens import enlarged_queries, joined, separated
from training.networks.timm_encoder import TimmEncoder, encoder_shape
from training.networks.vit import Mlp, VisionTransformer, resized

STAGES = 3
HEADS = 2  # of the UP-transformer's attention


@dataclass(frozen=True, slots=True)
class InvPTConfig:
    """tasks: name → channels, in the order in which the network concatenates them; taps: blocks
    whose outputs feed the decoder; embed_dim, spare_dim: the decoder's width is embed_dim +
    spare_dim; encoder: timm's name of another encoder, whose width, depth, heads and taps are then
    its own.
    """

    width: int
    depth: int
    heads: int
    taps: tuple[int, int, int]
    height_px: int
    width_px: int
    tasks: tuple[tuple[str, int], ...]
    embed_dim: int = 512
    spare_dim: int = 64
    encoder: str = ''

    @property
    def grid(self) -> tuple[int, int]:
        """Returns the number of patches along y and x."""
        patch_px = (encoder_shape(self.encoder).patch_px if self.encoder else 0) or 16
        return self.height_px // patch_px, self.width_px // patch_px

    @property
    def maps(self) -> tuple[tuple[int, ...], bool]:
        """Returns the channels of the encoder's maps, and whether their strides are 8, 16 and 32
        instead of that of the patches."""
        if not self.encoder:
            return (self.width,) * 4, False
        shape = encoder_shape(self.encoder)
        return shape.widths, not shape.patch_px

    @property
    def widths(self) -> tuple[int, int, int]:
        """Returns the channels of the three UP-transformer stages."""
        top = self.embed_dim + self.spare_dim
        return top, top // 2, top // 4


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


class UpStage(nn.Module):
    """One resolution of the inverted pyramid."""

    def __init__(self, widths: tuple[int, int, int], tasks: int, stage: int) -> None:
        super().__init__()
        if stage:
            inputs, outputs = widths[stage - 1], widths[stage]
            self.patch_embed = nn.ModuleList(PatchExpand(inputs, outputs) for _ in range(tasks))
        self.blocks = nn.ModuleList([UpBlock(widths[stage], tasks, stage)])

    def forward(
        self, maps: list[Tensor], skip: Tensor | None, message: Tensor | None
    ) -> tuple[list[Tensor], Tensor]:
        """skip: encoder features that are added to every task's map; None in the first stage."""
        if skip is not None:
            maps = [e(m) + skip for e, m in zip(self.patch_embed, maps, strict=True)]
        maps, message = self.blocks[0](maps, message)
        return maps, message


class InvPT(nn.Module):
    """The UP-transformer: maps the tasks' mixed preliminary features to features at H/4."""

    def __init__(self, config: InvPTConfig) -> None:
        super().__init__()
        top, tasks = config.widths[0], len(config.tasks)
        self.names = [name for name, _ in config.tasks]
        self.mix_proj = by_task(
            config, lambda n: nn.Sequential(nn.Conv2d(config.embed_dim + n, top, 1))
        )
        self.invpt_stages = nn.ModuleList(
            UpStage(config.widths, tasks, stage) for stage in range(STAGES)
        )
        self.norm_mts = nn.ModuleList(nn.LayerNorm(tasks * w) for w in config.widths)
        self.redu_chan = nn.ModuleDict(
            {
                str(stage): nn.ModuleList(
                    nn.Conv2d(config.widths[stage], top, 1) for _ in self.names
                )
                for stage in range(1, STAGES)
            }
        )
        self.mt_proj = by_task(
            config,
            lambda _: nn.Sequential(
                nn.Conv2d(top, top, 3, padding=1), nn.BatchNorm2d(top), nn.ReLU()
            ),
        )

    def forward(
        self, features: dict[str, Tensor], early: dict[str, Tensor], skips: list[Tensor | None]
    ) -> dict[str, Tensor]:
        """Features (B, E, h, w) and early predictions (B, n, h, w) → (B, top, 8 h, 8 w)."""
        maps = [self.mix_proj[n](torch.cat([features[n], early[n]], 1)) for n in self.names]
        size = (8 * maps[0].shape[2], 8 * maps[0].shape[3])
        total: list[Tensor] = []
        message: Tensor | None = None
        for stage, skip in enumerate(skips):
            maps, message = self.invpt_stages[stage](maps, skip, message)
            scaled = [resized(m, size) for m in self.stage_output(stage, maps)]
            total = [a + b for a, b in zip(total, scaled, strict=True)] if total else scaled
        return {n: self.mt_proj[n](m) for n, m in zip(self.names, total, strict=True)}

    def stage_output(self, stage: int, maps: list[Tensor]) -> list[Tensor]:
        """Normalises the maps and brings them to the width of the top."""
        normed = self.normed(stage, maps)
        if stage == 0:
            return normed
        reduce = self.redu_chan[str(stage)]
        assert isinstance(reduce, nn.ModuleList)
        return [r(m) for r, m in zip(reduce, normed, strict=True)]

    def normed(self, stage: int, maps: list[Tensor]) -> list[Tensor]:
        """Normalises over the channels of all tasks together."""
        stacked = torch.cat(maps, 1).permute(0, 2, 3, 1)  # (B, h, w, T D)
        return list(self.norm_mts[stage](stacked).permute(0, 3, 1, 2).chunk(len(maps), 1))


class Decoder(nn.Module):
    """Preliminary decoders and the UP-transformer."""

    def __init__(self, config: InvPTConfig) -> None:
        super().__init__()
        _, middle, fine = config.widths
        widths, self.is_pyramid = config.maps
        width = widths[-1]
        self.names = [name for name, _ in config.tasks]
        self.scale_embed = nn.ModuleList(
            [
                nn.Conv2d(widths[0], fine, 3, padding=1)
                if self.is_pyramid
                else nn.ConvTranspose2d(widths[0], fine, 3, 2, 1, 1),
                nn.Conv2d(widths[1], middle, 3, padding=1),
            ]
        )
        self.preliminary_decoder = by_task(
            config,
            lambda _: nn.Sequential(ConvBn(width, width), ConvBn(width, config.embed_dim)),
        )
        self.intermediate_head = by_task(config, lambda n: nn.Conv2d(config.embed_dim, n, 1))
        self.invpt = InvPT(config)

    def forward(self, taps: list[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Maps encoder maps to features at H/4 and preliminary predictions at H/32, by task."""
        fine, middle = self.scale_embed[0](taps[0]), self.scale_embed[1](taps[1])
        top = taps[-1]
        if not self.is_pyramid:
            top = resized(top, (top.shape[2] // 2, top.shape[3] // 2))
        features = {n: self.preliminary_decoder[n](top) for n in self.names}
        early = {n: self.intermediate_head[n](features[n]) for n in self.names}
        return self.invpt(features, early, [None, middle, fine]), early


class Head(nn.Module):
    """1x1 convolution to the task's channels."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear_pred = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear_pred(x)
        return y


class InvPTNetwork(nn.Module):
    """(B, 3, H, W) normalised RGB → raw outputs by task at (H, W), and the preliminary ones."""

    def __init__(self, config: InvPTConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone: nn.Module
        if config.encoder:
            self.backbone = TimmEncoder(config.encoder, (config.height_px, config.width_px))
        else:
            shape = config.width, config.depth, config.heads, config.taps, config.grid
            self.backbone = VisionTransformer(*shape)
        self.multi_task_decoder = Decoder(config)
        self.heads = by_task(config, lambda n: Head(config.widths[0], n))

    def forward(self, image: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns final and preliminary outputs; training supervises both (section 3.5). Raises
        ValueError for an image size other than the configuration's."""
        size, built = tuple(image.shape[2:]), (self.config.height_px, self.config.width_px)
        if size != built:
            raise ValueError(
                f'The image is {size[1]}x{size[0]} px, but this InvPT expects '
                f'{built[1]}x{built[0]}; import its checkpoint with --size-px.'
            )
        features, early = self.multi_task_decoder(self.backbone(image))
        late = {n: resized(self.heads[n](f), size) for n, f in features.items()}
        return late, {n: resized(e, size) for n, e in early.items()}


def by_task(config: InvPTConfig, build: Callable[[int], nn.Module]) -> nn.ModuleDict:
    """Builds one module per task from its number of channels."""
    return nn.ModuleDict({name: build(channels) for name, channels in config.tasks})
