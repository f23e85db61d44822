"""TaskPrompter (Ye and Xu, ICLR 2023) on a Swin transformer, with 3D detection (Cityscapes-3D)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from training.networks.detection3d import DetectionConfig, DetectionHead, DetectionMaps
from training.networks.swin import BlockShape, PatchMerging, PromptedSwinBlock, SwinPrompts
from training.networks.taskprompter import task_fusion
from training.networks.vit import map_to_tokens, resized, tokens_to_map

STAGES = 4
DETECTION = '3ddet'
SCALE = 0.75  # the network scales its input by this factor


@dataclass(frozen=True, slots=True)
class SwinConfig:
    """tasks: name → channels, including the detection task and its classes; level_dim: width of
    the decoded spatial and channel features; final_dim: width of the task features; chan_dim:
    width of the channel prompts; output_px: height and width of the dense outputs.
    """

    width: int
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int]
    window: int
    height_px: int
    width_px: int
    output_px: tuple[int, int]
    tasks: tuple[tuple[str, int], ...]
    level_dim: int
    final_dim: int
    chan_dim: int
    detection: DetectionConfig

    @property
    def inner_px(self) -> tuple[int, int]:
        """Returns height and width of the scaled input."""
        return int(self.height_px * SCALE), int(self.width_px * SCALE)

    def grid(self, stage: int) -> tuple[int, int]:
        """Returns the number of tokens along y and x."""
        step = 4 * 2**stage
        return self.inner_px[0] // step, self.inner_px[1] // step

    @property
    def detection_levels(self) -> list[tuple[int, int, float]]:
        """Returns rows, columns and network pixels per cell for each of the detection head's five
        levels."""
        grids = [self.grid(stage) for stage in (1, 2, 3, 3)]
        last = ((grids[3][0] + 1) // 2, (grids[3][1] + 1) // 2)
        return [(h, w, self.height_px / h) for h, w in [*grids, last]]

    @property
    def dense(self) -> tuple[tuple[str, int], ...]:
        """Returns the two-dimensional tasks."""
        return tuple(task for task in self.tasks if task[0] != DETECTION)


class SwinPatchEmbed(nn.Module):
    """(B, 3, H, W) → (B, N, C): 4 x 4 patches, layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 4, 4)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        tokens: Tensor = self.norm(map_to_tokens(self.proj(image)))
        return tokens


class SwinStage(nn.Module):
    """Blocks at one resolution, then patch merging except in the last stage."""

    def __init__(self, config: SwinConfig, stage: int) -> None:
        super().__init__()
        grid, prompts = config.grid(stage), len(config.tasks)
        width, heads = config.width * 2**stage, config.heads[stage]
        window = min(config.window, *grid)
        may_shift = min(grid) > config.window
        last = STAGES - 1
        self.blocks = nn.ModuleList(
            PromptedSwinBlock(
                BlockShape(
                    width,
                    heads,
                    grid,
                    window,
                    window // 2 if i % 2 and may_shift else 0,
                    prompts,
                    config.chan_dim,
                ),
                is_last=stage == last and i == config.depths[stage] - 1,
            )
            for i in range(config.depths[stage])
        )
        self.downsample = None if stage == last else PatchMerging(width, heads, prompts)

    def forward(self, prompts: Tensor, patches: Tensor) -> tuple[Tensor, Tensor, SwinPrompts]:
        """Returns the inputs of the next stage, and the products of the last block at its own
        resolution."""
        for block in self.blocks:
            prompts, patches, prompted = block(prompts, patches)
        if self.downsample is not None:
            prompts, patches, prompted = self.downsample(prompts, patches, prompted)
        return prompts, patches, prompted


class PromptedSwin(nn.Module):
    """Encoder with task prompts that decodes task features from its four levels."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        self.names = [name for name, _ in config.tasks]
        self.task_prompts = nn.Parameter(torch.zeros(len(self.names), config.width))
        self.patch_embed = SwinPatchEmbed(config.width)
        self.layers = nn.ModuleList(SwinStage(config, stage) for stage in range(STAGES))
        self.norm = nn.LayerNorm(config.width * 8)
        widths = [config.width * k for k in (2, 4, 8, 8)]
        inner, final = config.level_dim, config.final_dim
        self.fea_fuse = self.per_level([lambda: fusion(2 * inner, final)] * STAGES)
        decoders = [partial(conv1x1, w, inner) for w in widths]
        self.fea_decode_spa = self.per_level(decoders)
        self.fea_decode_chan = self.per_level(decoders)
        self.multi_scale_fuse = nn.ModuleDict(
            {name: nn.Conv2d(final, final, 3, padding=1) for name, _ in config.dense}
        )

    def per_level(self, builders: Sequence[Callable[[], nn.Module]]) -> nn.ModuleList:
        """Builds one module per level and task."""
        return nn.ModuleList(
            nn.ModuleDict({name: build() for name in self.names}) for build in builders
        )

    def forward(self, image: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """(B, 3, H, W) → (B, final, H/4, W/4 of the scaled image) by dense task, and four
        detection maps."""
        image = nn.functional.interpolate(image, scale_factor=SCALE, mode='bilinear')
        patches = self.patch_embed(image)
        prompts = self.task_prompts.expand(image.shape[0], -1, -1)
        levels: list[dict[str, Tensor]] = []
        for stage, layer in enumerate(self.layers):
            prompts, patches, prompted = layer(prompts, patches)
            tokens = self.norm(patches) if stage == STAGES - 1 else patches
            levels.append(self.task_features(stage, tokens, prompted))
        size = self.config.grid(0)
        dense = {
            name: self.multi_scale_fuse[name](sum_at(size, [level[name] for level in levels]))
            for name, _ in self.config.dense
        }
        return dense, [level[DETECTION] for level in levels if DETECTION in level]

    def task_features(
        self, level: int, patches: Tensor, prompted: SwinPrompts
    ) -> dict[str, Tensor]:
        """Decodes one level's tokens and products into (B, final, h, w) by task; dense tasks at
        twice h and w."""
        _, heads, _, rows, columns = prompted.spatial.shape
        maps = tokens_to_map(patches, (rows, columns))
        per_head = maps.unflatten(1, (heads, -1))
        features = {}
        for j, name in enumerate(self.names):
            spatial = (per_head * prompted.spatial[:, :, j, None]).flatten(1, 2) + maps
            channel = maps * prompted.channel[:, j, :, None, None] + maps
            if name != DETECTION:
                spatial, channel = (
                    resized(m, (2 * rows, 2 * columns)) for m in (spatial, channel)
                )
            both = [
                at(self.fea_decode_spa, level, name)(spatial),
                at(self.fea_decode_chan, level, name)(channel),
            ]
            features[name] = at(self.fea_fuse, level, name)(torch.cat(both, 1))
        return features


class DenseHead(nn.Module):
    """Transposed convolution that doubles the resolution, 3x3 convolution, 1x1 convolution."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        half = width // 2
        self.mt_proj = nn.Sequential(
            nn.ConvTranspose2d(width, half, 2, 2),
            nn.BatchNorm2d(half),
            nn.GELU(),
            nn.Conv2d(half, half, 3, padding=1),
            nn.BatchNorm2d(half),
            nn.GELU(),
        )
        self.linear_pred = nn.Conv2d(half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear_pred(self.mt_proj(x))
        return y


class TaskPrompterSwinNetwork(nn.Module):
    """(B, 3, H, W) normalised RGB → dense outputs by task at output_px, and the detection maps."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = PromptedSwin(config)
        heads: dict[str, nn.Module] = {
            name: DenseHead(config.final_dim, channels) for name, channels in config.dense
        }
        heads[DETECTION] = DetectionHead(config.final_dim, config.detection)
        self.heads = nn.ModuleDict(heads)

    def forward(self, image: Tensor) -> tuple[dict[str, Tensor], DetectionMaps]:
        """Raises ValueError for an image size other than that of the weights."""
        size = (image.shape[2], image.shape[3])
        expected = (self.config.height_px, self.config.width_px)
        if size != expected:
            raise ValueError(
                f'The image is {size[1]}x{size[0]} px, but the weights of chan_kv exist for '
                f'{expected[1]}x{expected[0]} only; resize the image or train at its size.'
            )
        features, levels = self.backbone(image)
        dense = {n: resized(self.heads[n](f), self.config.output_px) for n, f in features.items()}
        return dense, self.heads[DETECTION](levels)


def at(modules: nn.ModuleList, level: int, name: str) -> nn.Module:
    """Returns the module of one level and task."""
    of_level = modules[level]
    assert isinstance(of_level, nn.ModuleDict)
    return of_level[name]


def conv1x1(inputs: int, outputs: int) -> nn.Sequential:
    """Uses a Sequential because of the names in the checkpoints."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1))


def fusion(inputs: int, outputs: int) -> nn.Sequential:
    """Like the fusion on a ViT, but with a 3x3 convolution at the end."""
    layers = task_fusion(inputs, outputs)
    layers[4] = nn.Conv2d(outputs, outputs, 3, padding=1)
    return layers


def sum_at(size: tuple[int, int], maps: list[Tensor]) -> Tensor:
    """Sums maps of several resolutions at one size."""
    return torch.stack([resized(m, size) for m in maps]).sum(0)
