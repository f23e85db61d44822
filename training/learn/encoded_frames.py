"""Frames for meta-training together with the maps of a frozen encoder, each encoded once.

A frame exists in several copies: the first is whole, the others are cropped, mirrored and changed
in their colours, each on its own, so that labelled images and new ones look different.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.augment import augmented, cropped, letterboxed
from training.data.sample import Sample
from training.data.worlds import read_sample

STRIDES = (4, 8, 16, 32)
GRID_PX = STRIDES[-1]

Maps = list[Tensor]  # (1, C, h, w) at each of STRIDES
Encode = Callable[[Sample], Maps]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    sample: Sample
    maps: Maps

    def view(self, top: int, left: int, height_px: int, width_px: int) -> EncodedFrame:
        """A part; all four are multiples of GRID_PX. Its maps know what is around it."""
        rows, columns = (top, top + height_px), (left, left + width_px)
        maps = [
            level[..., rows[0] // by : rows[1] // by, columns[0] // by : columns[1] // by]
            for level, by in zip(self.maps, STRIDES, strict=True)
        ]
        return EncodedFrame(cropped(self.sample, left, top, width_px, height_px), maps)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrames:
    """The frames of one world, given as files or samples; what was encoded once stays in memory,
    3.5 MB for 512x256 pixels. `encode` returns the encoder's maps."""

    sources: Sequence[Path | Sample]
    size_px: tuple[int, int]
    copies: int
    seed: tuple[int, ...]
    encode: Encode
    known: dict[tuple[int, int], EncodedFrame] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sources)

    def get(self, number: int, copy: int) -> EncodedFrame:
        if (number, copy) not in self.known:
            source = self.sources[number]
            sample = read_sample(source) if isinstance(source, Path) else source
            height_px, width_px = self.size_px
            if copy:
                rng = np.random.default_rng((*self.seed, number, copy))
                sample = augmented(sample, width_px, height_px, rng)
            else:
                sample = letterboxed(sample, width_px, height_px)
            maps = [level.to(torch.float16) for level in self.encode(sample)]
            self.known[number, copy] = EncodedFrame(sample, maps)
        return self.known[number, copy]

    def drawn(self, count: int, halves: bool, rng: np.random.Generator) -> list[EncodedFrame]:
        """Different frames, one copy of each. halves: a random quarter of each instead, half as
        high and half as wide."""
        chosen = rng.choice(len(self), count, replace=False).tolist()
        frames = [self.get(k, int(rng.integers(self.copies))) for k in chosen]
        if not halves:
            return frames
        height_px, width_px = (max(GRID_PX, side // 2) for side in self.size_px)
        found = []
        for frame in frames:
            top, left = (
                GRID_PX * int(rng.integers((side - part) // GRID_PX + 1))
                for side, part in zip(self.size_px, (height_px, width_px), strict=True)
            )
            found.append(frame.view(top, left, height_px, width_px))
        return found
