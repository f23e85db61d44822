"""Turns what teachers say about a frame into a training sample, and stores it in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import project
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.types import UNLABELED
from training.data.sample import Sample, blank
from training.unlabelled.merged_boxes import Guesses
from training.unlabelled.views import DOUBT, Opinion, assumed_camera

CONFIDENCE = 'confidence'  # name of a sample's map: round(100 p) of its label
LEAST = 0.4  # probability below which a pixel has no label
SURE_SCORE, SURE_HEADING = 0.35, 0.7  # boxes below: neither demanded nor punished
SURE_LABEL = 0.6  # above: a box whose centre shows something else is none
# What the pixel at the centre of a box may show.
SHOWN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(('car', 'truck', 'bus', 'train'), ('car', 'truck', 'bus', 'train')),
    **dict.fromkeys(('motorcycle', 'bicycle'), ('motorcycle', 'bicycle', 'rider', 'person')),
    'person': ('person', 'rider'),
}


def sample_of(rgb: NDArray[np.uint8], opinions: list[Opinion], weights: list[float]) -> Sample:
    """Averages the teachers' probabilities with the given weights. Depth and boxes are those of
    the first opinion that has them. rgb: as `reduced` returns it."""
    height, width = rgb.shape[:2]
    share = np.array(weights) / sum(weights)
    mean = np.sum([w * o.probabilities for w, o in zip(share, opinions, strict=True)], 0)
    best = mean.max(0)
    labels = np.where(best >= LEAST, mean.argmax(0), UNLABELED).astype(np.uint8)
    sample = replace(
        blank(rgb, assumed_camera(width, height)),
        labels=doubled(labels),
        maps={CONFIDENCE: doubled(np.round(100 * best).astype(np.uint8))},
    )
    for found in opinions:
        if found.log_depth is not None and found.boxes is not None:
            assert found.deviation is not None
            certain = np.isfinite(found.log_depth) & (found.deviation <= DOUBT)
            depth_m = np.where(certain, np.exp(found.log_depth), np.nan).astype(np.float32)
            boxed = with_boxes(sample, found.boxes, labels, best)
            return replace(boxed, depth_m=doubled(depth_m))
    return sample


def doubled(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values.repeat(2, 0).repeat(2, 1))


def with_boxes(
    sample: Sample, found: Guesses, labels: NDArray[np.uint8], probability: NDArray[np.float32]
) -> Sample:
    """Adds boxes whose centre shows a fitting class. labels, probability: at half the frame's
    size."""
    uv_px = project(found.centers_m, sample.intrinsics)
    columns, rows = (np.round(uv_px).astype(int) // 2).T
    columns = columns.clip(0, labels.shape[1] - 1)
    rows = rows.clip(0, labels.shape[0] - 1)
    names = [c.name for c in CITYSCAPES_19] + [''] * (256 - len(CITYSCAPES_19))
    shown = [names[label] for label in labels[rows, columns]]
    wanted = [SHOWN[DRIVE_BOXES[k].name] for k in found.class_ids]
    fits = np.array([s in w for s, w in zip(shown, wanted, strict=True)], bool)
    kept = found.select(fits | (probability[rows, columns] < SURE_LABEL))
    sure = (kept.scores >= SURE_SCORE) & (kept.agreement >= SURE_HEADING)
    return replace(
        sample,
        class_ids=kept.class_ids,
        centers_m=kept.centers_m,
        sizes_m=kept.sizes_m,
        yaw_rad=kept.yaw_rad,
        visible=sure.astype(np.float32),
        truncated=np.zeros(len(sure), np.float32),
        has_boxes=True,
    )


def write_labels(sample: Sample, path: Path) -> None:
    """Writes a sample, completely or not at all."""
    with replacing(path) as partial_file, partial_file.open('wb') as file:
        np.savez(
            file,
            rgb=sample.rgb,
            labels=sample.labels[::2, ::2],
            confidence=sample.maps[CONFIDENCE][::2, ::2],
            depth_m=sample.depth_m[::2, ::2].astype(np.float16),
            class_ids=sample.class_ids,
            centers_m=sample.centers_m,
            sizes_m=sample.sizes_m,
            yaw_rad=sample.yaw_rad,
            visible=sample.visible,
        )


def read_labels(path: Path) -> Sample:
    with np.load(path, allow_pickle=False) as raw:
        rgb = raw['rgb']
        return replace(
            blank(rgb, assumed_camera(rgb.shape[1], rgb.shape[0])),
            labels=doubled(raw['labels']),
            maps={CONFIDENCE: doubled(raw['confidence'])},
            depth_m=doubled(raw['depth_m'].astype(np.float32)),
            class_ids=raw['class_ids'],
            centers_m=raw['centers_m'],
            sizes_m=raw['sizes_m'],
            yaw_rad=raw['yaw_rad'],
            visible=raw['visible'],
            truncated=np.zeros(len(raw['visible']), np.float32),
            has_boxes=True,
        )
