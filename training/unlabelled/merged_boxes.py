"""Merges the boxes of several views of one frame and says how far the views agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, project, yaw_of_box
from mtscene_ros.types import Boxes3D, Intrinsics

SAME_DEPTH = 1.6  # ratio of depths up to which two boxes at one place may be one object
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Guesses:
    """N boxes in the optical frame of the whole image. class_ids: (N,) int64; scores: (N,);
    centers_m, sizes_m: (N, 3); yaw_rad: (N,) KITTI's rotation_y; agreement: (N,) length of the
    mean of the heading vectors, 1 where all views agree, 0 where half of them are turned
    around."""

    class_ids: NDArray[np.int64]
    scores: F64
    centers_m: F64
    sizes_m: F64
    yaw_rad: F64
    agreement: F64

    def select(self, chosen: NDArray[Any]) -> Guesses:
        return Guesses(*(getattr(self, name)[chosen] for name in self.__slots__))


def guesses_from(boxes: Boxes3D) -> Guesses:
    yaw_rad = yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw))
    scores = boxes.scores.astype(np.float64)
    ones = np.ones(len(scores))
    return Guesses(boxes.class_ids, scores, boxes.centers_m, boxes.sizes_m, yaw_rad, ones)


def mirrored(found: Guesses) -> Guesses:
    """Converts boxes found in a mirrored image to the frame of the image itself."""
    return Guesses(
        found.class_ids,
        found.scores,
        found.centers_m * np.array([-1.0, 1.0, 1.0]),
        found.sizes_m,
        np.pi - found.yaw_rad,
        found.agreement,
    )


def merged(
    views: list[Guesses], covered: Sequence[tuple[float, float, float, float]], camera: Intrinsics
) -> Guesses:
    """Returns one box per object, whose score is the sum of its scores over the number of views
    that show the place. covered: left, top, right and bottom of each view in image pixels."""
    every = Guesses(*(np.concatenate([getattr(v, n) for v in views]) for n in Guesses.__slots__))
    every = every.select(np.argsort(-every.scores, kind='stable'))
    uv_px = project(every.centers_m, camera)
    reach_px = every.sizes_m.mean(1) * camera.fx_px / every.centers_m[:, 2]
    is_free = np.ones(len(every.scores), bool)
    rows: list[tuple[Any, ...]] = []
    for k in range(len(is_free)):
        if not is_free[k]:
            continue
        ratio = every.centers_m[:, 2] / every.centers_m[k, 2]
        near = np.hypot(*(uv_px - uv_px[k]).T) < reach_px[k] / 2
        near &= (ratio < SAME_DEPTH) & (ratio > 1 / SAME_DEPTH) & is_free
        is_free &= ~near
        u, v = uv_px[k]
        showing = sum(x1 <= u <= x2 and y1 <= v <= y2 for x1, y1, x2, y2 in covered)
        rows.append(mean_of(every.select(near), max(1, showing)))
    if not rows:
        return every
    return Guesses(*(np.array(column) for column in zip(*rows, strict=True)))


def mean_of(same: Guesses, showing: int) -> tuple[Any, ...]:
    """Averages boxes by score: depth and sizes by their logarithms, the heading by the observation
    angle, which does not depend on the depth. The class is that of the best box."""
    weight = same.scores / same.scores.sum()
    rays = same.centers_m / same.centers_m[:, 2:]
    depth_m = np.exp(weight @ np.log(same.centers_m[:, 2]))
    center_m = (weight @ rays) * depth_m
    alpha = same.yaw_rad - np.arctan2(rays[:, 0], 1.0)
    heading = weight @ np.exp(1j * alpha)
    yaw_rad = np.angle(heading) + np.arctan2(center_m[0], center_m[2])
    sizes_m = np.exp(weight @ np.log(np.maximum(same.sizes_m, 0.05)))
    score = min(1.0, same.scores.sum() / showing)
    return same.class_ids[0], score, center_m, sizes_m, yaw_rad, abs(heading)
