"""Batches of generated frames with truth and real frames with their teachers' labels.

A batch depends on seed and step alone, so that a resumed run sees the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from mtscene_ros.camera.letterbox import PAD_RGB
from mtscene_ros.types import UNLABELED, Intrinsics
from training.config import CompactConfig
from training.data.augment import augmented
from training.data.sample import Sample, changed_maps
from training.data.worlds import read_sample
from training.learn.loader import Batch, Positions
from training.tasks import task_of
from training.unlabelled.pseudo_labels import CONFIDENCE, read_labels

TEMPERATURE = 0.2  # lower values ask more often for rare classes
LEAST_SHARE = 0.001  # share of its pixels from which on a frame shows a class
FAR_CHANCE, FAR_SCALE = 0.35, 0.55  # how often a frame is shrunk, and how far at most
MASK_CHANCE, MASK_SHARE, MASK_PX = 0.3, 0.4, 32  # of real frames; of patches; patch size


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Files of one domain. shows: (N, C) which classes each file shows; chances: (C,) with which
    a class is asked for; groups: (N,) number of the place, from 0."""

    files: list[Path]
    shows: NDArray[np.bool_]
    chances: NDArray[np.float64]
    groups: NDArray[np.int64]

    def choose(self, rng: np.random.Generator) -> Path:
        """Chooses in half of the cases a frame with a class, the more often the rarer the class is
        (Hoyer et al., DAFormer, CVPR 2022, eq. 5 and 6), else a frame of an evenly chosen
        place."""
        if rng.random() < 0.5:
            having = np.flatnonzero(self.shows[:, rng.choice(len(self.chances), p=self.chances)])
        else:
            having = np.flatnonzero(self.groups == rng.integers(self.groups.max() + 1))
        return self.files[int(rng.choice(having))]


def pool_of(files: list[Path], classes: int) -> Pool:
    """Groups files by place, which is their name up to the last underscore. Raises ValueError if
    no frame has a label."""
    counts = np.zeros((len(files), classes))
    for row, path in zip(counts, files, strict=True):
        with np.load(path, allow_pickle=False) as raw:
            labels = raw['labels'].ravel()
        row[:] = np.bincount(labels[labels != UNLABELED], minlength=classes) / labels.size
    shows = counts >= LEAST_SHARE
    if not shows.any():
        raise ValueError(
            'The teachers are sure of no pixel; give frames that look more like streets.'
        )
    chances = np.exp((1 - counts.sum(0) / counts.sum()) / TEMPERATURE) * shows.any(0)
    places = [path.stem.rpartition('_')[0] for path in files]
    groups = np.unique(places, return_inverse=True)[1]
    return Pool(files, shows, chances / chances.sum(), groups)


def shrunk(sample: Sample, scale: float, rng: np.random.Generator) -> Sample:
    """Scales the frame down and puts it somewhere into one of its old size, as the image of a
    camera with a wider lens or another aspect is letterboxed. Padding is unlabelled."""
    height_px, width_px = sample.labels.shape
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    left = int(rng.integers(width_px - size[0] + 1))
    top = int(rng.integers(height_px - size[1] + 1))
    window = slice(top, top + size[1]), slice(left, left + size[0])

    def placed(values: NDArray[Any], how: int, around: Any) -> NDArray[Any]:
        out = np.empty(values.shape, values.dtype)
        out[:] = around
        out[window] = cv2.resize(values, size, interpolation=how)
        return out

    camera = sample.intrinsics
    x, y = size[0] / width_px, size[1] / height_px
    moved = Intrinsics(
        width_px,
        height_px,
        camera.fx_px * x,
        camera.fy_px * y,
        (camera.cx_px + 0.5) * x - 0.5 + left,
        (camera.cy_px + 0.5) * y - 0.5 + top,
    )
    nearest = cv2.INTER_NEAREST_EXACT
    return replace(
        sample,
        rgb=placed(np.ascontiguousarray(sample.rgb), cv2.INTER_AREA, PAD_RGB),
        intrinsics=moved,
        **changed_maps(sample, lambda _, values, unknown: placed(values, nearest, unknown)),
    )


def masked(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Hides patches (Hoyer et al., MIC, CVPR 2023, section 3.2)."""
    height_px, width_px = rgb.shape[:2]
    grid = rng.random((-(-height_px // MASK_PX), -(-width_px // MASK_PX))) < MASK_SHARE
    hidden = grid.repeat(MASK_PX, 0).repeat(MASK_PX, 1)[:height_px, :width_px]
    return np.where(hidden[:, :, None], np.array(PAD_RGB, np.uint8), rgb)


class MixedFrames(Dataset[dict[str, Any]]):
    """Item g is image g modulo (sources + targets) of its step; generated frames come first.

    pools: generated and real frames; counts: images of each in a step.
    """

    def __init__(
        self,
        pools: tuple[Pool, Pool],
        counts: tuple[int, int],
        config: CompactConfig,
        seed: int,
    ) -> None:
        self.pools, self.counts, self.config, self.seed = pools, counts, config, seed

    def __getitem__(self, position: int) -> dict[str, Any]:
        cv2.setNumThreads(0)
        step, place = divmod(position, sum(self.counts))
        rng = np.random.default_rng([self.seed, step, place])
        is_real = place >= self.counts[0]
        path = self.pools[is_real].choose(rng)
        sample = read_labels(path) if is_real else certain(read_sample(path))
        knows_distance = bool(np.isfinite(sample.depth_m).any())
        sample = augmented(sample, self.config.width_px, self.config.height_px, rng)
        if rng.random() < FAR_CHANCE:
            sample = shrunk(sample, rng.uniform(FAR_SCALE, 1), rng)
        if is_real and rng.random() < MASK_CHANCE:
            sample = replace(sample, rgb=masked(sample.rgb, rng))
        return item_of(sample, self.config, rng, knows_distance)


def certain(sample: Sample) -> Sample:
    """Marks every label of a generated frame as certain, and drops maps that are not used here."""
    full = np.full(sample.labels.shape, 100, np.uint8)
    return replace(sample, normals=None, boundary=None, maps={CONFIDENCE: full})


def item_of(
    sample: Sample, config: CompactConfig, rng: np.random.Generator, knows_distance: bool
) -> dict[str, Any]:
    """Returns the targets of every task by name. Frames without known distances teach where boxes
    are, but not their code."""
    found: dict[str, Any] = {'image': {'rgb': sample.rgb}}
    for name in config.tasks:
        found[name] = task_of(name, config).targets(sample, config, rng)
    row, column = rng.integers(2, size=2)
    confidence = sample.maps[CONFIDENCE][row::2, column::2].astype(np.float32) / 100
    found['semantic']['labels'] = sample.labels[row::2, column::2].astype(np.int64)
    found['semantic']['confidence'] = np.where(confidence > 1, 0, confidence)  # 255 is unknown
    found['boxes3d']['weight'] = found['boxes3d']['weight'] * np.float32(knows_distance)
    return found


def mixed_batches(frames: MixedFrames, step: int, workers: int) -> Iterator[Batch]:
    """Yields the batches from `step` on, without end."""
    own = torch.Generator()  # torch's global generator is part of a checkpoint
    return iter(
        DataLoader(
            frames,
            batch_sampler=Positions(step, sum(frames.counts), 0, 1),
            num_workers=workers,
            generator=own,
            prefetch_factor=2 if workers else None,
        )
    )
