"""Batches whose content depends only on seed, step and rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from training.data import DATASETS, DataSet
from training.data.by_name import SAME_IDS, IdsByName, ids_by_name
from training.data.sample import UNKNOWN, Sample
from training.learn.learning import Config, kind_of

Batch = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Frame:
    """The source of one image and its ground truth."""

    data_set: DataSet
    folder: Path
    name: str
    ids: IdsByName = SAME_IDS

    def read(self) -> Sample:
        """Returns the sample with the ids of the network. Raises DataError."""
        return self.ids.applied(self.data_set.read(self.folder, self.name))


def list_frames(
    data_set: str, folders: list[Path], split: str, config: Config, merges: bool = False
) -> list[Frame]:
    """Lists the split's frames of all folders, whose classes are matched with the network's by
    name; merges: see ids_by_name. A folder of another data set is given as NAME:FOLDER, and one
    that is named twice counts twice. Raises DataError if there are none, or for classes that the
    network does not have."""
    network = kind_of(config).tables_of(config)
    found = []
    for given in folders:
        source, folder = source_of(given, data_set)
        names = source.names(folder, split)
        ids = ids_by_name(source.tables(folder), network, folder, merges)
        found += [Frame(source, folder, name, ids) for name in names]
    return found


def source_of(given: Path, data_set: str) -> tuple[DataSet, Path]:
    """'rgbd:DIR' → the data set 'rgbd' and DIR; a path without a data set's name is one of
    `data_set`."""
    name, colon, folder = str(given).partition(':')
    if colon and name in DATASETS:
        return DATASETS[name], Path(folder)
    return DATASETS[data_set], given


class Frames(Dataset[dict[str, Any]]):
    """Item g is the g-th frame that the run uses; its epoch is g // len(frames).

    is_augmented: if False, frames come unchanged and whole, at network size; cache_bytes: how much
    of what has been read stays in memory, for further epochs.
    """

    def __init__(
        self,
        frames: list[Frame],
        config: Config,
        seed: int,
        is_augmented: bool = True,
        cache_bytes: float = 0.0,
    ) -> None:
        self.frames = frames
        self.kept: dict[int, Sample] = {}
        self.room_bytes = cache_bytes
        self.config, self.seed, self.is_augmented = config, seed, is_augmented

    def __getitem__(self, position: int) -> dict[str, Any]:
        cv2.setNumThreads(0)
        epoch, place = divmod(position, len(self.frames))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.frames))
        index = int(order[place])
        rng = np.random.default_rng([self.seed, epoch, index])
        config, kind = self.config, kind_of(self.config)
        sample = self.kept.get(index) or self.read(index)
        if self.is_augmented:
            sample = kind.augmented(sample, config, rng)
        else:
            sample = kind.whole(sample, config)
        targets = kind.targets(sample, config, rng)
        return {'image': {'rgb': sample.rgb}, **targets}

    def read(self, index: int) -> Sample:
        """Reads a sample and keeps it as long as there is room."""
        sample = self.frames[index].read()
        size = sum(v.nbytes for v in arrays_of(sample))
        if size <= self.room_bytes:
            self.room_bytes -= size
            self.kept[index] = sample
        return sample


def arrays_of(sample: Sample) -> list[NDArray[Any]]:
    maps = [getattr(sample, name) for name in UNKNOWN]
    return [v for v in (sample.rgb, *maps, *sample.maps.values()) if v is not None]


class Positions(Sampler[list[int]]):
    """Yields positions of one rank's batches from `step` on; a step's ranks are consecutive."""

    def __init__(self, step: int, batch: int, rank: int, world: int) -> None:
        self.step, self.batch, self.rank, self.world = step, batch, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        step = self.step
        while True:
            first = (step * self.world + self.rank) * self.batch
            yield list(range(first, first + self.batch))
            step += 1


def batches(frames: Frames, positions: Positions, workers: int) -> Iterator[Batch]:
    own = (
        torch.Generator()
    )  # torch's global generator belongs to the network and is part of a checkpoint
    return iter(
        DataLoader(
            frames,
            batch_sampler=positions,
            num_workers=workers,
            generator=own,
            pin_memory=torch.cuda.is_available(),  # lets copies to the GPU overlap
            prefetch_factor=4 if workers else None,
        )
    )


def one_pass(frames: Frames) -> Iterator[Batch]:
    """Yields every frame once."""
    size = frames.config.batch
    count = len(frames.frames)
    parts = [list(range(k, min(k + size, count))) for k in range(0, count, size)]
    return iter(DataLoader(frames, batch_sampler=parts, generator=torch.Generator()))
