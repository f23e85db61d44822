"""Label encoder and label decoder of Visual Token Matching (Kim et al., ICLR 2023, section 3):
a plain ViT over maps of one channel, and the decoder of DPT (Ranftl et al., ICCV 2021, section 3).

Module names are those of the released checkpoints; refinenet4.resConfUnit1 of theirs, which no
output depends on, is left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.vit import Block, PatchEmbed, resized, tokens_to_map

LAST_WIDTH = 32  # channels in front of the prediction


class LabelEncoder(nn.Module):
    """ViT that hands out the patch tokens of four blocks, as they are."""

    def __init__(
        self, width: int, depth: int, heads: int, taps: tuple[int, ...], grid: int
    ) -> None:
        super().__init__()
        self.taps, self.grid = taps, (grid, grid)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, grid * grid + 1, width))
        self.patch_embed = PatchEmbed(width, channels=1)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, label: Tensor) -> list[Tensor]:
        """(B, 1, 16 g, 16 g) in [0, 1], -1 where nothing is known → maps (B, C, g, g) by tap."""
        grid = (label.shape[2] // 16, label.shape[3] // 16)
        cls = self.cls_token.expand(len(label), -1, -1)
        x = torch.cat([cls, self.patch_embed(label)], 1) + self.positions(grid)
        found = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in self.taps:
                found.append(tokens_to_map(x[:, 1:], grid))
        return found

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + h w, C), resampled for another grid than the one that was trained."""
        if grid == self.grid:
            return self.pos_embed
        cls, patches = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        maps = resized(tokens_to_map(patches, self.grid), grid)
        return torch.cat([cls, maps.flatten(2).transpose(1, 2)], 1)


class ResidualConvs(nn.Module):
    """Two 3x3 convolutions, each after a ReLU, beside the input (RefineNet's unit)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return y


class Fusion(nn.Module):
    """One level joins what the coarser ones gave; the result has twice the level's resolution."""

    def __init__(self, width: int, coarsest: bool) -> None:
        super().__init__()
        self.resConfUnit1 = None if coarsest else ResidualConvs(width)
        self.resConfUnit2 = ResidualConvs(width)
        self.out_conv = nn.Conv2d(width, width, 1)

    def forward(self, level: Tensor, coarser: Tensor | None) -> Tensor:
        """(B, F, h, w), (B, F, h, w) or None → (B, F, 2h, 2w)."""
        if self.resConfUnit1 is not None and coarser is not None:
            level = coarser + self.resConfUnit1(level)
        y: Tensor = self.out_conv(doubled(self.resConfUnit2(level)))
        return y


class LabelBackbone(nn.Module):
    """Both ends of the label side: `encode` maps of labels, `decode` matched tokens."""

    def __init__(
        self, encoder: LabelEncoder, width: int, reassembled: tuple[int, ...], features: int
    ) -> None:
        super().__init__()
        one, two, three, four = reassembled
        self.pretrained = nn.ModuleDict(
            {
                'model': encoder,
                'act_postprocess1': nn.Sequential(
                    nn.Conv2d(width, one, 1), nn.ConvTranspose2d(one, one, 4, 4)
                ),
                'act_postprocess2': nn.Sequential(
                    nn.Conv2d(width, two, 1), nn.ConvTranspose2d(two, two, 2, 2)
                ),
                'act_postprocess3': nn.Sequential(nn.Conv2d(width, three, 1)),
                'act_postprocess4': nn.Sequential(
                    nn.Conv2d(width, four, 1), nn.Conv2d(four, four, 3, 2, 1)
                ),
            }
        )
        self.scratch = nn.ModuleDict()
        for level, inputs in enumerate(reassembled, start=1):
            self.scratch[f'layer{level}_rn'] = nn.Conv2d(
                inputs, features, 3, padding=1, bias=False
            )
            self.scratch[f'refinenet{level}'] = Fusion(features, coarsest=level == 4)
        self.scratch['output_conv'] = nn.Sequential(
            nn.Conv2d(features, features // 2, 3, padding=1),
            nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True),
            nn.Conv2d(features // 2, LAST_WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(LAST_WIDTH, 1, 1),
        )

    def encode(self, label: Tensor) -> list[Tensor]:
        """As LabelEncoder."""
        found: list[Tensor] = self.pretrained['model'](label)
        return found

    def decode(self, levels: list[Tensor]) -> Tensor:
        """Four maps (B, C, g, g), the shallowest first → logits (B, 1, 16 g, 16 g)."""
        fused: Tensor | None = None
        for number in (4, 3, 2, 1):
            map_ = self.pretrained[f'act_postprocess{number}'](levels[number - 1])
            narrow = self.scratch[f'layer{number}_rn'](map_)
            fused = self.scratch[f'refinenet{number}'](narrow, fused)
        logits: Tensor = self.scratch['output_conv'](fused)
        return logits


def doubled(maps: Tensor) -> Tensor:
    """Bilinear; corner pixels stay at the corners, as DPT has it everywhere."""
    return F.interpolate(maps, scale_factor=2.0, mode='bilinear', align_corners=True)
