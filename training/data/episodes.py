"""Endless dense tasks out of few: channels for meta-training from frames whose truth is known.

A channel is a map of numbers in [0, 1] over all images of an episode. It is drawn from classes,
depth, normals, boundaries, edges and brightness, bent by random curves, and mixed with another
(after the label augmentation of Kim et al., ICLR 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import UNLABELED
from training.data.sample import Sample

Rng = np.random.Generator
F32 = NDArray[np.float32]
MIXED, BENT = 0.5, 0.6  # shares of the channels
LEAST_SHARE = 0.005  # of the pixels of an episode that a class must have


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """values: (N, H, W) in [0, 1], NaN unknown; binary: a class, whose loss is cross entropy;
    exclusive: one of several classes, of which a pixel has one."""

    values: F32
    binary: bool
    exclusive: bool = False


def class_channel(samples: Sequence[Sample], rng: Rng, left_out: frozenset[int]) -> Channel | None:
    """One class that the frames show, or several. left_out: those that stay unseen."""
    labels = np.stack([sample.labels for sample in samples])
    shown = shown_classes(labels, left_out)
    if not shown:
        return None
    count = 1 if rng.random() < 0.7 else int(rng.integers(1, len(shown) + 1))
    return of_classes(labels, rng.choice(shown, count, replace=False), left_out)


def class_task(
    samples: Sequence[Sample], most: int, rng: Rng, left_out: frozenset[int]
) -> list[Channel]:
    """Up to `most` channels of one class each, no two the same: a task of classes."""
    labels = np.stack([sample.labels for sample in samples])
    shown = shown_classes(labels, left_out)
    chosen = rng.permutation(shown)[:most]
    found = [of_classes(labels, chosen[k : k + 1], left_out) for k in range(len(chosen))]
    return [replace(one, exclusive=True) for one in found]


def shown_classes(labels: NDArray[np.uint8], left_out: frozenset[int]) -> list[int]:
    """Ids of the classes that have enough pixels."""
    ids, counts = np.unique(labels, return_counts=True)
    return [
        k
        for k, count in zip(ids.tolist(), counts.tolist(), strict=True)
        if k != UNLABELED and k not in left_out and count >= LEAST_SHARE * labels.size
    ]


def of_classes(
    labels: NDArray[np.uint8], chosen: NDArray[np.int64], left_out: frozenset[int]
) -> Channel:
    values = np.isin(labels, chosen).astype(np.float32)
    values[np.isin(labels, [UNLABELED, *left_out])] = np.nan
    return Channel(values, True)


def depth_channel(samples: Sequence[Sample], rng: Rng, _: frozenset[int]) -> Channel | None:
    """Logarithm or inverse, near or far bright; sky is the far end."""
    depth_m = np.stack([sample.depth_m for sample in samples])
    if not np.isfinite(depth_m).any():
        return None
    far_m = depth_m[np.isfinite(depth_m)].max()
    depth_m = np.clip(depth_m, 0.1, far_m)
    values = np.log(depth_m) if rng.random() < 0.5 else 1 / depth_m
    return Channel(spread(values if rng.random() < 0.5 else -values), False)


def normals_channel(samples: Sequence[Sample], rng: Rng, _: frozenset[int]) -> Channel | None:
    """How much a surface faces a random direction: shading by a lamp far away."""
    if any(sample.normals is None for sample in samples):
        return None
    normals = np.stack([sample.normals for sample in samples if sample.normals is not None])
    direction = rng.normal(size=3)
    values = (normals @ (direction / np.linalg.norm(direction)) + 1) / 2
    values[np.abs(normals).max(3) == 0] = np.nan
    return None if np.isnan(values).all() else Channel(values.astype(np.float32), False)


def boundary_channel(samples: Sequence[Sample], rng: Rng, _: frozenset[int]) -> Channel | None:
    """Where objects end, as lines of some width."""
    if any(sample.boundary is None for sample in samples):
        return None
    sigma_px = rng.uniform(1, 4)
    maps = [sample.boundary for sample in samples if sample.boundary is not None]
    lines = [(found == 1).astype(np.float32) for found in maps]
    blurred = np.stack([cv2.GaussianBlur(found, (0, 0), sigma_px) for found in lines])
    blurred[np.stack(maps) == UNLABELED] = np.nan
    return None if np.isnan(blurred).all() else Channel(spread(blurred), False)


def edge_channel(samples: Sequence[Sample], rng: Rng, _: frozenset[int]) -> Channel | None:
    """Sobel's gradient of the brightness at a random scale."""
    sigma_px = rng.uniform(0.5, 4)
    grey = [cv2.GaussianBlur(brightness(sample), (0, 0), sigma_px) for sample in samples]
    steps = [(cv2.Sobel(one, cv2.CV_32F, 1, 0), cv2.Sobel(one, cv2.CV_32F, 0, 1)) for one in grey]
    return Channel(spread(np.stack([np.hypot(*step) for step in steps])), False)


def brightness_channel(samples: Sequence[Sample], rng: Rng, _: frozenset[int]) -> Channel | None:
    sigma_px = rng.uniform(0.5, 6)
    grey = [cv2.GaussianBlur(brightness(sample), (0, 0), sigma_px) for sample in samples]
    return Channel(spread(np.stack(grey)), False)


def brightness(sample: Sample) -> F32:
    return np.asarray(cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2GRAY), np.float32)


SOURCES: dict[str, Callable[[Sequence[Sample], Rng, frozenset[int]], Channel | None]] = {
    'classes': class_channel,
    'depth': depth_channel,
    'normals': normals_channel,
    'boundary': boundary_channel,
    'edges': edge_channel,
    'brightness': brightness_channel,
}


def channel(
    samples: Sequence[Sample], rng: Rng, sources: Sequence[str], left_out: frozenset[int]
) -> Channel:
    """One of the sources, bent, mixed with another. Classes are as frequent as all else."""
    found = drawn(samples, rng, sources, left_out)
    if not found.binary or rng.random() < 0.2:
        if rng.random() < BENT:
            found = Channel(bent(found.values, rng), False)
        if rng.random() < MIXED:
            found = mixed(found, drawn(samples, rng, sources, left_out), rng.random())
    return found


def drawn(
    samples: Sequence[Sample], rng: Rng, sources: Sequence[str], left_out: frozenset[int]
) -> Channel:
    weights = np.array(
        [max(1, len(sources) - 1) if name == 'classes' else 1 for name in sources], float
    )
    while True:
        name = sources[rng.choice(len(sources), p=weights / weights.sum())]
        found = SOURCES[name](samples, rng, left_out)
        if found is not None:
            return found


def bent(values: F32, rng: Rng) -> F32:
    """A power, or a sigmoid around a random level."""
    if rng.random() < 0.5:
        return np.asarray(values ** np.exp(rng.uniform(np.log(1 / 3), np.log(3))), np.float32)
    level, steepness = rng.uniform(0.2, 0.8), np.exp(rng.uniform(np.log(3), np.log(20)))
    return spread(1 / (1 + np.exp(-steepness * (values - level))))


def mixed(first: Channel, second: Channel, share: float) -> Channel:
    """Mixup of labels (Zhang et al., ICLR 2018): known where both are."""
    values = share * first.values + (1 - share) * second.values
    return Channel(np.asarray(values, np.float32), False)


def spread(values: NDArray[np.floating]) -> F32:
    """To [0, 1] over the episode."""
    low, high = np.nanmin(values), np.nanmax(values)
    return np.asarray((values - low) / max(high - low, 1e-6), np.float32)
