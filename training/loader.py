"""Batches whose content depends on nothing but seed, step and rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from training.config import CompactConfig
from training.data.augment import augmented, letterboxed
from training.data.published_augment import published
from training.data.sample import Sample
from training.data.worlds import read_sample, sample_files
from training.tasks import TASKS

Batch = dict[str, dict[str, Tensor]]
Augmentation = Callable[[Sample, int, int, np.random.Generator], Sample]
AUGMENTATIONS: dict[str, Augmentation] = {'strong': augmented, 'published': published}


class Frames(Dataset[dict[str, Any]]):
    """Item g is the g-th frame that the run sees: g // len(files) is the epoch.

    is_augmented: otherwise every frame comes whole and unchanged, at network size.
    """

    def __init__(
        self, folders: list[Path], config: CompactConfig, seed: int, is_augmented: bool = True
    ) -> None:
        self.files = [path for folder in folders for path in sample_files(folder)]
        self.config, self.seed, self.is_augmented = config, seed, is_augmented

    def __getitem__(self, position: int) -> dict[str, Any]:
        cv2.setNumThreads(0)
        epoch, place = divmod(position, len(self.files))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.files))
        index = int(order[place])
        rng = np.random.default_rng([self.seed, epoch, index])
        config = self.config
        sample, size = read_sample(self.files[index]), (config.width_px, config.height_px)
        if self.is_augmented:
            sample = AUGMENTATIONS[config.augmentation](sample, *size, rng)
        else:
            sample = letterboxed(sample, *size)
        targets = {name: TASKS[name].targets(sample, config, rng) for name in config.tasks}
        return {'image': {'rgb': sample.rgb}, **targets}


class Positions(Sampler[list[int]]):
    """Positions of one rank's batches from `step` on; ranks follow one another in a step."""

    def __init__(self, step: int, batch: int, rank: int, world: int) -> None:
        self.step, self.batch, self.rank, self.world = step, batch, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        step = self.step
        while True:
            first = (step * self.world + self.rank) * self.batch
            yield list(range(first, first + self.batch))
            step += 1


def batches(frames: Frames, positions: Positions, workers: int) -> Iterator[Batch]:
    own = torch.Generator()  # the global one belongs to the network and is part of a checkpoint
    return iter(DataLoader(frames, batch_sampler=positions, num_workers=workers, generator=own))


def once(frames: Frames) -> Iterator[Batch]:
    """Every frame one time."""
    size = frames.config.batch
    count = len(frames.files)
    parts = [list(range(k, min(k + size, count))) for k in range(0, count, size)]
    return iter(DataLoader(frames, batch_sampler=parts, generator=torch.Generator()))
