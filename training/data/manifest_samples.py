"""Reads a user's own frames, listed in a manifest (`mtscene_ros.datasets.manifest`), as
Samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtscene_ros.datasets.annotations import read_boxes
from mtscene_ros.datasets.label_files import (
    DataError,
    checked_camera,
    read_rgb,
    same_size,
    typical_camera,
)
from mtscene_ros.datasets.manifest import inside, labels_of, load
from training.data.by_name import Tables
from training.data.sample import Sample, blank

# Kind of label → field of a Sample.
FIELDS = {
    'semantic': 'labels', 'depth': 'depth_m', 'normals': 'normals', 'boundary': 'boundary',
    'saliency': 'saliency', 'human_parts': 'human_parts',
}  # fmt: skip


def names(path: Path, split: str) -> list[str]:
    """Returns the numbers of the split's frames; a frame without a split belongs to `train`.
    Raises DataError."""
    frames = load(path).frames
    found = [str(k) for k, frame in enumerate(frames) if split in ('all', frame['split'])]
    if not found:
        there = ', '.join(f'{n} of {name}' for name, n in splits(path).items())
        raise DataError(f'{path} has no frames of the split {split}; it has {there}.')
    return found


def splits(path: Path) -> Counter[str]:
    """Returns split → number of frames. Raises DataError."""
    return Counter(frame['split'] for frame in load(path).frames)


def tables(path: Path) -> Tables:
    """Raises DataError."""
    manifest = load(path)
    return Tables(manifest.semantic, manifest.boxes, manifest.maps, manifest.class_map)


def read(path: Path, name: str) -> Sample:
    """Raises DataError."""
    manifest = load(path)
    frame = manifest.frames[int(name)]

    rgb = read_rgb(inside(manifest.folder, frame['image'], path))
    size = (rgb.shape[0], rgb.shape[1])
    values = frame.get('camera') or manifest.camera
    camera = checked_camera(values, size, path) if values else typical_camera(size)
    found = labels_of(manifest, frame, path)
    sized = {key: same_size(values, rgb, where) for key, (where, values) in found.items()}
    fields: dict[str, Any] = {FIELDS[key]: v for key, v in sized.items() if key in FIELDS}
    if frame.get('boxes3d'):
        fields |= read_boxes(inside(manifest.folder, frame['boxes3d'], path), manifest.boxes)
    maps = {key: values for key, values in sized.items() if key not in FIELDS}
    return replace(blank(rgb, camera), maps=maps, **fields)
