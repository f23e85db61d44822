"""The rules of KITTI's object evaluation in one loop over objects, for rectangles in the image."""

from __future__ import annotations

import numpy as np

from mtscene_ros.datasets.kitti_objects import KittiObjects

Rectangle = np.ndarray

HEIGHT, OCCLUSION, TRUNCATION = (40, 25, 25), (0, 1, 2), (0.15, 0.3, 0.5)
NEIGHBOUR = {'Car': 'Van', 'Pedestrian': 'Person_sitting'}
LEAST = {'Car': 0.7, 'Pedestrian': 0.5, 'Cyclist': 0.5}


def overlap(a: Rectangle, b: Rectangle, *, of_first: bool = False) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both, first = width * height, (a[2] - a[0]) * (a[3] - a[1])
    return both / (first if of_first else first + (b[2] - b[0]) * (b[3] - b[1]) - both)


def role_of_object(
    kind: str, level: int, name: str, rectangle: Rectangle, truncated: float, occluded: float
) -> int:
    hard = occluded > OCCLUSION[level] or truncated > TRUNCATION[level]
    hard = hard or rectangle[3] - rectangle[1] <= HEIGHT[level]
    if name == kind:
        return 1 if hard else 0
    return 1 if name == NEIGHBOUR.get(kind) else -1


def role_of_detection(kind: str, level: int, name: str, rectangle: Rectangle) -> int:
    if abs(rectangle[3] - rectangle[1]) < HEIGHT[level]:
        return 1
    return 0 if name == kind else -1


def match(
    found: KittiObjects, true: KittiObjects, kind: str, level: int, threshold: float | None = None
) -> tuple[int, int, list[float], int]:
    """(hits, false ones, scores of hits, objects); without a threshold the best score takes an
    object."""
    pairs = zip(found.types, found.rectangles_px, strict=True)
    ours = [role_of_detection(kind, level, *pair) for pair in pairs]
    fields = (true.types, true.rectangles_px, true.truncated, true.occluded)
    theirs = [role_of_object(kind, level, *one) for one in zip(*fields, strict=True)]
    used, hits, scores = [False] * len(ours), 0, []
    low = [threshold is not None and s < threshold for s in found.scores]
    for i, role in enumerate(theirs):
        best, taken, most, is_ignored = None, -1, 0.0, False
        for j, ours_role in enumerate(ours):
            if role == -1 or ours_role == -1 or used[j] or low[j]:
                continue
            share = overlap(found.rectangles_px[j], true.rectangles_px[i])
            if share <= LEAST[kind]:
                continue
            if threshold is None:
                if best is None or found.scores[j] > best:
                    best, taken = found.scores[j], j
            elif ours_role == 0 and (share > most or is_ignored):
                best, taken, most, is_ignored = 1, j, share, False
            elif ours_role == 1 and best is None:
                best, taken, is_ignored = 1, j, True
        if best is not None:
            used[taken] = True
            if role == 0 and ours[taken] == 0:
                hits += 1
                scores.append(found.scores[taken])
    regions = [r for n, r in zip(true.types, true.rectangles_px, strict=True) if n == 'DontCare']
    wrong = 0
    for j, role in enumerate(ours):
        stuff = any(
            overlap(found.rectangles_px[j], r, of_first=True) > LEAST[kind] for r in regions
        )
        wrong += role == 0 and not used[j] and not low[j] and not stuff
    return hits, wrong, scores, theirs.count(0)


def average_precision(
    frames: list[tuple[KittiObjects, KittiObjects]], kind: str, level: int
) -> float:
    """In percent, at 40 recall positions."""
    first = [match(*frame, kind, level) for frame in frames]
    objects, scores = (
        sum(f[3] for f in first),
        sorted((s for f in first for s in f[2]), reverse=True),
    )
    if not objects:
        return float('nan')
    precision, recall = np.zeros(41), 0.0
    thresholds = []
    for i, score in enumerate(scores):
        here = (i + 1) / objects
        after = (i + 2) / objects if i < len(scores) - 1 else here
        if after - recall < recall - here and i < len(scores) - 1:
            continue
        thresholds.append(score)
        recall += 1 / 40
    for k, threshold in enumerate(thresholds):
        each = [match(*frame, kind, level, threshold) for frame in frames]
        hits, wrong = sum(e[0] for e in each), sum(e[1] for e in each)
        precision[k] = hits / (hits + wrong)
    return 100 * sum(max(precision[k:]) for k in range(1, 41)) / 40
