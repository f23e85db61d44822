"""The average precision of KITTI's object benchmark: 40 recall positions, three difficulties,
boxes in the image, from above and in 3D.

Geiger et al., CVPR 2012, section 2; Simonelli et al., ICCV 2019, section 5.

The rules are those of the benchmark's evaluation: which objects are ignored, which detection an
object takes, and where the precision is sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.kitti_objects import DONT_CARE, KittiObjects
from mtscene_ros.evaluate.scores.overlap import iou_3d
from mtscene_ros.types import Boxes3D

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

POINTS = 41  # recall positions at 0, 1/40, ... 1, of which the first does not count
DIFFICULTIES = ('easy', 'moderate', 'hard')
MIN_HEIGHT_PX, MAX_OCCLUSION, MAX_TRUNCATION = (40, 25, 25), (0, 1, 2), (0.15, 0.3, 0.5)
MIN_OVERLAP = {'Car': 0.7, 'Pedestrian': 0.5, 'Cyclist': 0.5}
# Objects that are so much alike that finding one of them is neither right nor wrong.
NEIGHBOURS = {'Car': 'Van', 'Pedestrian': 'Person_sitting'}
COUNTED, IGNORED, OTHER = 0, 1, -1


def overlap_in_image(a: F64, b: F64, *, of_first: bool = False) -> F64:
    """Returns the (N, M) IoU of rectangles; of_first: the share of each of `a` instead."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    size = np.clip(np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner, 0, None)
    both = size.prod(2)
    area_a, area_b = (np.prod(r[:, 2:] - r[:, :2], axis=1) for r in (a, b))
    whole = area_a[:, None] + 0 * both if of_first else area_a[:, None] + area_b - both
    return np.asarray(np.where(both > 0, both / np.where(whole > 0, whole, 1), 0.0))


def overlap_from_above(a: Boxes3D, b: Boxes3D) -> F64:
    """Returns the (N, M) IoU of the boxes' outlines on the ground; y points down."""
    return iou_3d(flat(a), flat(b))


def flat(boxes: Boxes3D) -> Boxes3D:
    """Returns the boxes at one height and 1 m high."""
    return replace(
        boxes,
        centers_m=boxes.centers_m * (1.0, 0.0, 1.0),
        sizes_m=np.concatenate([boxes.sizes_m[:, :2], np.ones((len(boxes), 1))], 1),
    )


Overlap = Callable[[KittiObjects, KittiObjects], F64]
METRICS: dict[str, Overlap] = {
    '2d': lambda found, true: overlap_in_image(found.rectangles_px, true.rectangles_px),
    'bev': lambda found, true: overlap_from_above(found.boxes, true.boxes),
    '3d': lambda found, true: iou_3d(found.boxes, true.boxes),
}


@dataclass(frozen=True, slots=True, eq=False)
class KittiImage:
    """One image for one type, difficulty and metric.

    overlaps: (detections, objects); ours, theirs: COUNTED, IGNORED or OTHER of detections and
    objects; scores: of detections; in_stuff: which detections lie in a DontCare region.
    """

    overlaps: F64
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]
    scores: F64
    in_stuff: Flags


def average_precisions(
    frames: Sequence[tuple[KittiObjects, KittiObjects]],
) -> dict[str, dict[str, dict[str, float]]]:
    """Returns type → metric → difficulty → AP in percent, NaN where no object counts.

    frames: detections and objects of each image; objects of type DontCare are regions.
    """
    overlaps = {
        metric: [measure(found, true) for found, true in frames]
        for metric, measure in METRICS.items()
    }
    return {
        kind: {
            metric: {
                name: precision_of(
                    [
                        image_of(*frame, of, kind, level, metric)
                        for frame, of in zip(frames, overlaps[metric], strict=True)
                    ],
                    MIN_OVERLAP[kind],
                )
                for level, name in enumerate(DIFFICULTIES)
            }
            for metric in METRICS
        }
        for kind in MIN_OVERLAP
    }


def image_of(
    found: KittiObjects, true: KittiObjects, overlaps: F64, kind: str, level: int, metric: str
) -> KittiImage:
    """Marks what counts at a level of difficulty."""
    high_px = true.rectangles_px[:, 3] - true.rectangles_px[:, 1]
    is_hidden = (true.occluded > MAX_OCCLUSION[level]) | (true.truncated > MAX_TRUNCATION[level])
    is_hard = is_hidden | (high_px <= MIN_HEIGHT_PX[level])
    same = np.array([name == kind for name in true.types], bool)
    near = np.array([name == NEIGHBOURS.get(kind) for name in true.types], bool)
    theirs = np.where(same & ~is_hard, COUNTED, np.where(near | same, IGNORED, OTHER))
    is_low = abs(found.rectangles_px[:, 3] - found.rectangles_px[:, 1]) < MIN_HEIGHT_PX[level]
    is_kind = np.array([name == kind for name in found.types], bool)
    ours = np.where(is_low, IGNORED, np.where(is_kind, COUNTED, OTHER))
    stuff = np.array([name == DONT_CARE for name in true.types], bool)
    in_stuff = np.zeros(len(found.types), bool)
    if metric == '2d' and stuff.any():  # such regions have no place in 3D
        regions = true.rectangles_px[stuff]
        shares = overlap_in_image(found.rectangles_px, regions, of_first=True)
        in_stuff = np.asarray((shares > MIN_OVERLAP[kind]).any(1))
    return KittiImage(overlaps, ours, theirs, found.scores, in_stuff)


def precision_of(images: Sequence[KittiImage], least: float) -> float:
    """Returns the AP of one type, metric and difficulty in percent; least: IoU of a match."""
    objects = sum(int((image.theirs == COUNTED).sum()) for image in images)
    if not objects:
        return float('nan')
    scores = [score for image in images for score in scores_of_matches(image, least)]
    precision = np.zeros(POINTS)
    for k, threshold in enumerate(thresholds(np.array(scores), objects)):
        counts = [counted(image, least, threshold) for image in images]
        hits, wrong = (sum(of) for of in zip(*counts, strict=True))
        precision[k] = hits / (hits + wrong) if hits + wrong else 0.0
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return 100 * float(best[1:].sum()) / (POINTS - 1)


def thresholds(scores: F64, objects: int) -> list[float]:
    """Returns the scores at which recall passes 0, 1/40, ..., as near as the matches allow."""
    found, recall = [], 0.0
    ordered = np.sort(scores)[::-1]
    for k, score in enumerate(ordered):
        is_last = k == len(ordered) - 1
        here, after = (k + 1) / objects, (k + 1 if is_last else k + 2) / objects
        if after - recall < recall - here and not is_last:
            continue
        found.append(float(score))
        recall += 1 / (POINTS - 1)
    return found[:POINTS]


def scores_of_matches(image: KittiImage, least: float) -> list[float]:
    """Returns the score of the detection that each object takes if all detections are kept: the
    best that overlaps enough."""
    found, free = [], image.ours != OTHER
    for k in np.flatnonzero(image.theirs != OTHER):
        candidates = np.flatnonzero(free & (image.overlaps[:, k] > least))
        if not len(candidates):
            continue
        taken = candidates[image.scores[candidates].argmax()]
        free[taken] = False
        if image.theirs[k] == COUNTED and image.ours[taken] == COUNTED:
            found.append(float(image.scores[taken]))
    return found


def counted(image: KittiImage, least: float, threshold: float) -> tuple[int, int]:
    """Returns the hits and the false detections among those that reach the threshold.

    An object takes the detection that overlaps most, one that is too low only where there is no
    other.
    """
    hits, free = 0, (image.ours != OTHER) & (image.scores >= threshold)
    for k in np.flatnonzero(image.theirs != OTHER):
        candidates = np.flatnonzero(free & (image.overlaps[:, k] > least))
        if not len(candidates):
            continue
        full = candidates[image.ours[candidates] == COUNTED]
        taken = full[image.overlaps[full, k].argmax()] if len(full) else candidates[0]
        free[taken] = False
        hits += int(image.theirs[k] == COUNTED and image.ours[taken] == COUNTED)
    return hits, int((free & (image.ours == COUNTED) & ~image.in_stuff).sum())
