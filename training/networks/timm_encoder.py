"""An encoder of timm's by name, a plain ViT or a hierarchical one, in front of InvPT's decoder.

Plain ones (DINOv2: Oquab et al., TMLR 2024) give four maps at the stride of their patches, after a
quarter, half, three quarters and all of their blocks, each normalised as DINOv2's own dense heads
do it. Hierarchical ones give their maps at strides 8, 16 and 32. Nothing is downloaded: weights
come from a file. Stochastic depth is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from mtscene_ros.terminal import did_you_mean, listed
from training.config import MEAN, STD

PYRAMID = (8, 16, 32)  # strides of the maps that the decoder takes of a hierarchical encoder
COARSEST_GRID = 4  # patches along a side have to be a multiple: three stages halve and double


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """indices: of the maps among timm's intermediate ones; widths: their channels; patch_px: of a
    plain ViT, 0 for a hierarchical encoder; is_sized: whether it is built for one image size."""

    indices: tuple[int, ...]
    widths: tuple[int, ...]
    patch_px: int
    is_sized: bool


@lru_cache
def encoder_shape(name: str) -> EncoderShape:
    """Raises ValueError for a name that timm does not have, or an encoder that gives no such
    maps."""
    if not timm.is_model(name):
        known = timm.list_models()
        fix = did_you_mean(name, known, "`timm.list_models('*dinov2*')` lists some.")
        raise ValueError(f'--encoder: timm {timm.__version__} has no {name}; {fix}')
    with torch.device('meta'):
        model: Any = timm.create_model(name, pretrained=False, num_classes=0)
    strides = [int(row['reduction']) for row in getattr(model, 'feature_info', None) or ()]
    if not strides or not hasattr(model, 'forward_intermediates'):
        raise ValueError(f'--encoder: {name} gives no maps of its layers; choose another.')
    about = timm.models.get_pretrained_cfg(name)
    is_sized = about is not None and bool(about.fixed_input_size)
    widths = [int(row['num_chs']) for row in model.feature_info]
    if len(set(strides)) == 1 and len(strides) >= len(PYRAMID) + 1:
        count = len(strides)
        indices = tuple(count * part // 4 - 1 for part in range(1, 5))
        return EncoderShape(indices, tuple(widths[k] for k in indices), strides[0], is_sized)
    if not set(PYRAMID) <= set(strides):
        raise ValueError(
            f'--encoder: {name} has maps at strides {listed([str(s) for s in strides])}; the '
            'decoder takes those at 8, 16 and 32, or a plain ViT.'
        )
    indices = tuple(len(strides) - 1 - strides[::-1].index(stride) for stride in PYRAMID)
    return EncoderShape(indices, tuple(widths[k] for k in indices), 0, is_sized)


def check_size(name: str, height_px: int, width_px: int) -> None:
    """Raises ValueError for an image size that encoder and decoder cannot have."""
    multiple = COARSEST_GRID * (encoder_shape(name).patch_px or 16)
    height, width = (max(multiple, round(n / multiple) * multiple) for n in (height_px, width_px))
    if (height, width) != (height_px, width_px):
        raise ValueError(
            f'InvPT on {name} needs a height and a width that are a multiple of {multiple}, not '
            f'{width_px}x{height_px}; --size-px {height} {width} would do.'
        )


class TimmEncoder(nn.Module):
    """(B, 3, H, W) normalised by ImageNet's mean and deviation → maps, coarsest last."""

    def __init__(self, name: str, size_px: tuple[int, int], weights: Path | None = None) -> None:
        super().__init__()
        shape = encoder_shape(name)
        self.indices, self.is_plain = list(shape.indices), bool(shape.patch_px)
        options: dict[str, Any] = {'img_size': size_px} if shape.is_sized else {}
        if weights is not None:  # timm resamples what depends on the size of the image
            options |= {'pretrained': True, 'pretrained_cfg_overlay': {'file': str(weights)}}
        model: Any = timm.create_model(name, num_classes=0, **options)
        model.prune_intermediate_layers(self.indices, prune_norm=not self.is_plain)
        self.model = model
        scale, shift = rescaling(model.pretrained_cfg)
        self.scale: Tensor | None
        self.shift: Tensor | None
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('shift', shift, persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        if self.scale is not None and self.shift is not None:
            image = image * self.scale + self.shift
        model: Any = self.model
        maps: Sequence[Tensor] = model.forward_intermediates(
            image,
            indices=self.indices,
            norm=self.is_plain,
            output_fmt='NCHW',
            intermediates_only=True,
        )
        return list(maps)


def rescaling(config: Any) -> tuple[Tensor | None, Tensor | None]:
    """Returns factor and offset, (3, 1, 1), from our normalisation to that of the encoder's
    training, None where they are the same."""
    mean, std = np.array(MEAN) / 255, np.array(STD) / 255
    own_mean, own_std = np.array(config['mean']), np.array(config['std'])
    if np.allclose([mean, std], [own_mean, own_std], atol=1e-3):
        return None, None
    planes = np.array([std / own_std, (mean - own_mean) / own_std], np.float32)
    scale, shift = torch.from_numpy(planes[:, :, None, None])
    return scale, shift


def loaded_encoder(name: str, size_px: tuple[int, int], weights: Path) -> dict[str, Tensor]:
    """Returns the weights of a file as the encoder takes them at this image size. Raises
    ValueError for those of another encoder."""
    try:
        return TimmEncoder(name, size_px, weights).state_dict()
    except (RuntimeError, KeyError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise ValueError(f"{weights} does not hold timm's weights of {name}: {reason}") from None
