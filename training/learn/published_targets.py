"""Targets of the published networks' tasks in the form that their losses expect.

Source: docs/network-specification.md, sections 5 and 6.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mtscene_ros.camera.geometry import project
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.tasks.fcos3d import angles_from_quaternions
from training.data.cityscapes3d import disparity_of
from training.data.nyud import NORMAL_SIGNS
from training.data.sample import Sample
from training.learn.detection_losses import Objects
from training.losses import IGNORED
from training.networks.taskprompter_swin import SwinConfig
from training.recipes import Recipe

Arrays = dict[str, NDArray[Any]]
MAX_OBJECTS = 128  # per image; the farthest objects beyond this number are dropped
CLASSES = len(DRIVE_BOXES) - 1  # without persons


def targets(sample: Sample, recipe: Recipe) -> dict[str, Arrays]:
    """Returns {'truth': (1 or 3, H, W) float32} or the objects' arrays by task of the network."""
    found: dict[str, Arrays] = {}
    for name in recipe.tasks:
        if name == '3ddet':
            found[name] = object_arrays(sample)
        else:
            found[name] = {'truth': dense_truth(name, sample, recipe)}
    return found


def dense_truth(name: str, sample: Sample, recipe: Recipe) -> NDArray[np.float32]:
    size = sample.labels.shape
    maps = {
        'semseg': sample.labels,
        'human_parts': sample.human_parts,
        'sal': sample.saliency,
        'edge': sample.boundary,
    }
    if name == 'depth':
        truth = depth_truth(sample, recipe)
    elif name == 'normals':
        truth = normals_truth(sample.normals, size)
    else:
        values = maps[name]
        truth = np.full(size, IGNORED, np.float32)
        if values is not None:
            truth = values.astype(np.float32)
    config = recipe.network_config
    if isinstance(
        config, SwinConfig
    ):  # nearest neighbour, to the size of the network's dense outputs
        height, width = config.output_px
        shrunk = cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)
        truth = np.asarray(shrunk, np.float32)
    planes = truth[None] if truth.ndim == 2 else truth.transpose(2, 0, 1)
    return np.ascontiguousarray(planes, np.float32)


def depth_truth(sample: Sample, recipe: Recipe) -> NDArray[np.float32]:
    """Returns metres, or pixels of disparity if depth comes from a stereo pair."""
    values = sample.depth_m
    if sample.baseline_m is not None:
        values = disparity_of(values, sample.baseline_m * sample.intrinsics.fx_px)
    known = np.isfinite(values)
    return np.where(known, values, np.float32(recipe.unknown_depth))


def normals_truth(
    normals: NDArray[np.float32] | None, size: tuple[int, ...]
) -> NDArray[np.float32]:
    """Returns (H, W, 3) in the axes of the published images, 255 unknown."""
    if normals is None:
        return np.full((*size, 3), IGNORED, np.float32)
    known = np.abs(normals).max(2, keepdims=True) > 0
    stored = normals * np.array(NORMAL_SIGNS, np.float32)
    return np.where(known, stored, np.float32(IGNORED))


def object_arrays(sample: Sample) -> Arrays:
    """Returns MAX_OBJECTS rows, unused ones with class -1, so that batches can be stacked."""
    rows: Arrays = {
        'label': np.full(MAX_OBJECTS, -1, np.int64),
        'bbox': np.zeros((MAX_OBJECTS, 4), np.float32),
        'center': np.zeros((MAX_OBJECTS, 3), np.float32),
        'size': np.zeros((MAX_OBJECTS, 3), np.float32),
        'angles': np.zeros((MAX_OBJECTS, 3), np.float32),
    }
    if sample.bbox_px is None or sample.quaternions_xyzw is None:
        return rows
    depth_m = sample.centers_m[:, 2]
    usable = np.flatnonzero((depth_m > 0) & (sample.class_ids < CLASSES))
    kept = usable[np.argsort(depth_m[usable], kind='stable')][:MAX_OBJECTS]
    count = len(kept)
    centers_px = project(sample.centers_m[kept], sample.intrinsics)
    rows['label'][:count] = sample.class_ids[kept]
    rows['bbox'][:count] = sample.bbox_px[kept]
    rows['center'][:count] = np.concatenate([centers_px, depth_m[kept, None]], 1)
    rows['size'][:count] = sample.sizes_m[kept]
    rows['angles'][:count] = angles_from_quaternions(sample.quaternions_xyzw[kept])
    return rows


def objects_of(rows: dict[str, Tensor]) -> list[Objects]:
    """Converts collated rows to the objects of each image."""
    found = []
    for image in range(rows['label'].shape[0]):
        there = rows['label'][image] >= 0
        parts = (rows[key][image][there] for key in ('label', 'bbox', 'center', 'size', 'angles'))
        found.append(Objects(*parts))
    return found
