"""The ground truth of one generated image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass

FIRST_STAMP_NS = 1_700_000_000_000_000_000  # of the first frame of every sequence


@dataclass(frozen=True, slots=True, eq=False)
class WorldFrame:
    """One image with its ground truth.

    rgb: (H, W, 3) uint8; labels: (H, W) uint8 class ids; instances: (H, W) uint16, k > 0 means
    boxes[k - 1]; depth_m: (H, W) float32 along optical z, inf in the sky; normals: (H, W, 3)
    float32 unit vectors in the optical frame, towards the camera, zero in the sky; boxes: every
    object with a visible pixel, all scores 1; visible: (N,) float32 fraction of the object's
    projected pixels that is not occluded; truncated: (N,) float32 fraction of the projected box
    outside the image; world_from_optical: (4, 4) float64, world is x forward, y left, z up
    (REP-103); human_parts: (H, W) uint8 ids of HUMAN_PARTS_7; saliency: (H, W) uint8, 1 on
    salient objects; both are None in worlds that are not about persons; classes: the meaning of
    the ids in `labels`.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    depth_m: NDArray[np.float32]
    normals: NDArray[np.float32]
    boxes: Boxes3D
    visible: NDArray[np.float32]
    truncated: NDArray[np.float32]
    intrinsics: Intrinsics
    world_from_optical: NDArray[np.float64]
    stamp_ns: int
    human_parts: NDArray[np.uint8] | None = None
    saliency: NDArray[np.uint8] | None = None
    classes: tuple[SemanticClass, ...] = CITYSCAPES_19


def boundary_of(labels: NDArray[np.uint8], instances: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Returns (H, W) uint8, 1 where class or instance differs from the right or lower
    neighbour."""
    boundary = np.zeros(labels.shape, np.uint8)
    for ids in (labels, instances):
        boundary[:, :-1] |= ids[:, 1:] != ids[:, :-1]
        boundary[:-1] |= ids[1:] != ids[:-1]
    return boundary
