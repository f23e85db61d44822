"""The augmentation of InvPT and TaskPrompter on NYUD-v2 and PASCAL-Context.

Source: docs/network-specification.md, section 6.

The steps are scaling, crop, flip and photometric distortion, in this order. The intrinsics stay
unchanged: an image enlarged by s shows the scene s times closer, so depths and the boxes' z are
divided by s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import UNLABELED
from training.data.augment import cropped, flipped
from training.data.sample import Sample, changed_maps

SCALES = (0.5, 2.0)
MOST_OF_ONE_CLASS, TRIES = 0.75, 10
BRIGHTNESS, CONTRAST, SATURATION, HUE_DEG = 32.0, (0.5, 1.5), (0.5, 1.5), 36.0
MEAN_RGB = (124, 116, 104)  # becomes roughly 0 after normalisation
Rgb = NDArray[np.uint8]


def published(sample: Sample, width_px: int, height_px: int, rng: np.random.Generator) -> Sample:
    """Applies the published recipe. The result has network size."""
    sample = scaled(sample, float(rng.uniform(*SCALES)))
    sample = padded(varied_crop(sample, width_px, height_px, rng), width_px, height_px)
    if rng.random() < 0.5:
        sample = flipped(sample)
    return replace(sample, rgb=distorted(sample.rgb, rng))


def scaled(sample: Sample, scale: float) -> Sample:
    """Scales the image bilinearly and all maps by nearest neighbour; fx and fy stay unchanged."""
    height, width = sample.labels.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))

    def nearest(name: str, values: NDArray[Any], unknown: float) -> NDArray[Any]:
        found = cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return np.asarray(found / np.float32(scale) if name == 'depth_m' else found)

    camera = sample.intrinsics
    moved = replace(
        camera,
        width_px=size[0],
        height_px=size[1],
        cx_px=(camera.cx_px + 0.5) * scale - 0.5,
        cy_px=(camera.cy_px + 0.5) * scale - 0.5,
    )
    return replace(
        sample,
        rgb=np.asarray(cv2.resize(sample.rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8),
        intrinsics=moved,
        centers_m=sample.centers_m / [1.0, 1.0, scale],
        bbox_px=None if sample.bbox_px is None else (sample.bbox_px + 0.5) * scale - 0.5,
        **changed_maps(sample, nearest),
    )


def varied_crop(sample: Sample, width_px: int, height_px: int, rng: np.random.Generator) -> Sample:
    """Crops to at most the given size, with more than one class if TRIES attempts find such a
    crop."""
    height, width = sample.labels.shape
    size = min(width, width_px), min(height, height_px)
    for _ in range(TRIES):
        left, top = int(rng.integers(width - size[0] + 1)), int(rng.integers(height - size[1] + 1))
        labels = sample.labels[top : top + size[1], left : left + size[0]]
        counts = np.bincount(labels[labels != UNLABELED])
        if len(counts) and counts.max() < MOST_OF_ONE_CLASS * counts.sum():
            break
    return cropped(sample, left, top, *size)


def padded(sample: Sample, width_px: int, height_px: int) -> Sample:
    """Centres the sample in the network's input; the border is unknown, and grey in the image."""
    height, width = sample.labels.shape
    left, top = (width_px - width) // 2, (height_px - height) // 2
    inside = slice(top, top + height), slice(left, left + width)

    def filled(_: str, values: NDArray[Any], unknown: float | Sequence[int]) -> NDArray[Any]:
        out = np.full((height_px, width_px, *values.shape[2:]), unknown, values.dtype)
        out[inside] = values
        return out

    camera, bbox_px = sample.intrinsics, sample.bbox_px
    moved = replace(
        camera,
        width_px=width_px,
        height_px=height_px,
        cx_px=camera.cx_px + left,
        cy_px=camera.cy_px + top,
    )
    return replace(
        sample,
        rgb=filled('rgb', sample.rgb, MEAN_RGB),
        intrinsics=moved,
        bbox_px=None if bbox_px is None else bbox_px + np.array([left, top] * 2),
        **changed_maps(sample, filled),
    )


def distorted(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """Applies SSD's photometric distortion (Liu et al., ECCV 2016, section 3.6): each step with
    probability 1/2, contrast either before or after saturation and hue."""
    values = rgb.astype(np.float32)
    if rng.random() < 0.5:
        values += rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    contrast_first, changes_contrast = rng.random() < 0.5, rng.random() < 0.5
    contrast = np.float32(rng.uniform(*CONTRAST) if changes_contrast else 1.0)
    if contrast_first:
        values *= contrast
    hsv = cv2.cvtColor(np.clip(values, 0, 255) / np.float32(255), cv2.COLOR_RGB2HSV)
    if rng.random() < 0.5:
        hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(*SATURATION), 0, 1)
    if rng.random() < 0.5:
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-HUE_DEG, HUE_DEG)) % 360
    values = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32) * np.float32(255)
    if not contrast_first:
        values *= contrast
    return np.asarray(np.clip(values, 0, 255) + 0.5, np.uint8)
