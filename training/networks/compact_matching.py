"""Visual token matching (Kim et al., ICLR 2023) for a CPU.

Kept: a channel is given by labelled images; patches of a new image attend to the labelled ones and
take over their label tokens, at two depths; all channels share the encoder and the
attention. Changed: the convolutional encoder of a compact network instead of BEiT, with one set of
biases; label tokens from a few convolutions instead of a ViT; a decoder that refines what was
matched at strides 32 and 16 with the new image's own features at strides 8 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import MEAN, STD
from training.networks.compact import pyramid_encoder
from training.networks.vit import map_to_tokens, tokens_to_map
from training.networks.vtm import Matching, Memory, joined_tokens
from training.networks.vtm_dpt import ResidualConvs

SHARPNESS = 2.0  # length of the first queries and keys


@dataclass(frozen=True, slots=True)
class CompactMatchingConfig:
    """width: of image tokens; label_width: of label tokens; features: channels of the decoder;
    the encoder is a timm name, and its weights come from the compact network `encoder_of`."""

    name: str
    encoder: str = 'tf_efficientnet_lite0'
    encoder_of: str = 'drive_lite'
    height_px: int = 256
    width_px: int = 512
    width: int = 128
    label_width: int = 96
    features: int = 32


class LabelTokens(nn.Module):
    """Maps of labels → tokens at strides 16 and 32. What is known goes in as a second channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_8 = nn.Sequential(
            nn.Conv2d(2, width // 2, 4, 4),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, 2, 1),
            nn.GELU(),
        )
        self.to_16 = nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), ResidualConvs(width))
        self.to_32 = nn.Sequential(
            nn.GELU(), nn.Conv2d(width, width, 3, 2, 1), ResidualConvs(width)
        )

    def forward(self, label: Tensor) -> list[Tensor]:
        """(B, 1, H, W) in [0, 1] or -1 → (B, D, H/32, W/32), (B, D, H/16, W/16)."""
        known = (label >= 0).to(label.dtype)
        fine = self.to_16(self.to_8(torch.cat([label * known, known], 1)))
        return [self.to_32(fine), fine]


class CompactMatchingNetwork(nn.Module):
    """The same interface as `training.networks.vtm.VTMNetwork`; there is one set of biases."""

    def __init__(self, config: CompactMatchingConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, (c4, c8, c16, c32) = pyramid_encoder(config.encoder)
        self.from_32 = nn.Conv2d(c32, config.width, 1)
        self.from_16 = nn.Conv2d(c16, config.width, 1)
        self.skip_8 = nn.Conv2d(c8, config.features, 1)
        self.skip_4 = nn.Conv2d(c4, config.features, 1)
        self.label_tokens = LabelTokens(config.label_width)
        self.matching = nn.ModuleList(Matching(config.width, config.label_width) for _ in range(2))
        narrow = [nn.Conv2d(config.label_width, config.features, 1) for _ in range(2)]
        self.narrow = nn.ModuleList(narrow)
        self.refine = nn.ModuleList(ResidualConvs(config.features) for _ in range(3))
        self.head = nn.Conv2d(config.features, 1, 1)
        with torch.no_grad():
            for level in self.matching:
                like_looks_for_like(level)

    def encode(self, image: Tensor, rows: Tensor | None) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] → tokens at strides 32 and 16, skips at strides 8 and 4."""
        return self.projected(*self.encoder(self.normalised(image)))

    def normalised(self, image: Tensor) -> Tensor:
        mean, spread = image.new_tensor(MEAN) / 255, image.new_tensor(STD) / 255
        return (image - mean[:, None, None]) / spread[:, None, None]

    def projected(self, f4: Tensor, f8: Tensor, f16: Tensor, f32: Tensor) -> list[Tensor]:
        """What `encode` makes of the encoder's maps."""
        coarse = self.from_32(f32)
        fine = self.from_16(f16) + doubled(coarse)
        return [coarse, fine, self.skip_8(f8), self.skip_4(f4)]

    def memory(self, maps: list[Tensor], labels: Tensor, supports: int) -> Memory:
        """As of VTMNetwork, with one group of images."""
        found = []
        for level, image, label in zip(
            self.matching, maps, self.label_tokens(labels), strict=False
        ):
            assert isinstance(level, Matching)
            keys = level.keys(joined_tokens(image, supports))
            found.append((keys, level.values(joined_tokens(label, supports))))
        return found

    def answer(self, maps: list[Tensor], memory: Memory) -> Tensor:
        """Encoded images → logits of every channel (B, T, H, W)."""
        quarter = self.quarter_answer(maps, memory)
        return F.interpolate(quarter, scale_factor=4.0, mode='bilinear')

    def quarter_answer(self, maps: list[Tensor], memory: Memory) -> Tensor:
        """As `answer`, at stride 4: (B, T, H/4, W/4)."""
        channels = memory[0][1].shape[0]
        matched = []
        levels = zip(self.matching, self.narrow, maps[:2], memory, strict=True)
        for level, narrow, image, known in levels:
            tokens = level(map_to_tokens(image)[:, None], *known).flatten(0, 1)
            matched.append(narrow(tokens_to_map(tokens, (image.shape[2], image.shape[3]))))
        x = self.refine[0](doubled(matched[0]) + matched[1])
        for refine, skip in zip(self.refine[1:], maps[2:], strict=True):
            by_channel = doubled(x).unflatten(0, (-1, channels)) + skip[:, None]
            x = refine(by_channel.flatten(0, 1))
        by_image: Tensor = self.head(x)[:, 0].unflatten(0, (-1, channels))
        return by_image


def like_looks_for_like(level: nn.Module) -> None:
    """Makes an untrained level a nearest-neighbour search: queries and keys are the same rotation
    of the tokens, long enough that the softmax prefers what is alike. Training starts far better
    from there than from attention that is the same everywhere."""
    assert isinstance(level, Matching)
    nn.init.orthogonal_(level.fc_q.weight, SHARPNESS)
    level.fc_k.weight.copy_(level.fc_q.weight)


def doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode='bilinear', align_corners=False)
