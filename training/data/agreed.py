"""What several models agree on: labels, depth and boxes that are worth keeping as truth.

A model that lacks a class cannot contradict one that has it. Everything else has to agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.class_tables import Classes
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.evaluate.scores.boxes_meter import yaw_rad
from mtscene_ros.types import UNLABELED, Boxes3D, LabelMap, SemanticClass

SAME_DEPTH = 1.25  # ratio of depths up to which models agree (delta1 of Eigen et al., NIPS 2014)
SAME_PLACE_M, SAME_PLACE_SHARE = 1.0, 0.1  # between centres: metres, or this share of the distance
SAME_HEADING_RAD = np.deg2rad(30.0)
MAX_CLASSES = UNLABELED

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class UnitedTable:
    """The classes of all models, each name once, in the order in which they come.

    lookups: for each model (256,) its ids → ids of `classes`, UNLABELED for none; knows: for each
    model (256,) bool, whether it has the class; unknown pixels are known to nobody.
    """

    classes: Classes
    lookups: tuple[U8, ...]
    knows: tuple[NDArray[np.bool_], ...]


def united(tables: Sequence[Classes]) -> UnitedTable:
    """Raises DataError for more classes than a label image can hold."""
    every = list({c.name: c for table in tables for c in table}.values())
    if len(every) > MAX_CLASSES:
        raise DataError(
            f'The models have {len(every)} classes together; a label image holds {MAX_CLASSES}.'
        )
    classes = tuple(SemanticClass(i, c.name, c.color_rgb) for i, c in enumerate(every))
    ids = {c.name: c.id for c in classes}
    lookups, knows = [], []
    for table in tables:
        lookup, known = np.full(256, UNLABELED, np.uint8), np.zeros(256, bool)
        for c in table:
            lookup[c.id] = ids[c.name]
            known[ids[c.name]] = True
        lookups.append(lookup)
        knows.append(known)
    return UnitedTable(classes, tuple(lookups), tuple(knows))


def agreed_labels(maps: Sequence[LabelMap], table: UnitedTable, min_confidence: float) -> U8:
    """Returns (H, W) ids of the united table, UNLABELED where models contradict one another.

    A pixel keeps a class that every model gives which has the class, each with at least
    `min_confidence` (0 to 1); a pixel with two such classes is unknown.
    """
    votes = [lookup[m.labels] for m, lookup in zip(maps, table.lookups, strict=True)]
    sure = [m.confidence >= round(255 * min_confidence) for m in maps]
    found = np.full(votes[0].shape, UNLABELED, np.uint8)
    is_torn = np.zeros(found.shape, bool)
    for vote, of_vote in zip(votes, sure, strict=True):
        kept = (vote != UNLABELED) & of_vote
        for other, of_other, knows in zip(votes, sure, table.knows, strict=True):
            kept &= ((other == vote) & of_other) | ~knows[vote]
        is_torn |= kept & (found != UNLABELED) & (found != vote)
        found = np.where(kept, vote, found)
    return np.where(is_torn, np.uint8(UNLABELED), found)


def agreed_depth(maps: Sequence[F32]) -> F32:
    """Returns the geometric mean of (H, W) metres where all lie within SAME_DEPTH, inf where all
    are beyond range, NaN elsewhere."""
    stacked = np.stack(maps)
    known = np.where(np.isfinite(stacked) & (stacked > 0), stacked, np.nan)
    with np.errstate(invalid='ignore'):
        is_same = np.max(known, 0) <= SAME_DEPTH * np.min(known, 0)
        mean_m = np.exp(np.log(known).mean(0))
    found = np.where(is_same, mean_m, np.nan)
    return np.where(np.isposinf(stacked).all(0), np.inf, found).astype(np.float32)


def agreed_boxes(found: Sequence[Boxes3D], min_score: float) -> tuple[Boxes3D, int]:
    """Returns the boxes on which the models agree, and the number of those on which they do not.

    A box counts from `min_score` on. Every model that has its class must find one with half of
    that score at the same place with the same heading (SAME_PLACE_M, SAME_HEADING_RAD). The box
    is that of the first such model; class ids are those of the united table.
    """
    table = united([boxes.classes for boxes in found])
    named = [
        replace(boxes, class_ids=lookup[boxes.class_ids].astype(np.int64), classes=table.classes)
        for boxes, lookup in zip(found, table.lookups, strict=True)
    ]
    faint = [confident(boxes, min_score / 2) for boxes in named]
    kept: list[Boxes3D] = []
    differing = 0
    for k, boxes in enumerate(named):
        sure = confident(boxes, min_score)
        is_shared, is_first = np.ones((2, len(sure)), bool)
        for j, (others, knows) in enumerate(zip(faint, table.knows, strict=True)):
            if j == k:
                continue
            is_known = knows[sure.class_ids]
            is_shared &= matched(sure, others) | ~is_known
            is_first &= ~(matched(sure, confident(named[j], min_score)) & is_known) | (j > k)
        differing += int((~is_shared).sum())
        kept.append(sure.select(is_shared & is_first))
    return joined(kept), differing


def confident(boxes: Boxes3D, min_score: float) -> Boxes3D:
    return boxes.select(boxes.scores >= min_score)


def matched(boxes: Boxes3D, others: Boxes3D) -> NDArray[np.bool_]:
    """(N,) whether another box has the same class, place and heading."""
    if not len(others):
        return np.zeros(len(boxes), bool)
    apart_m = np.linalg.norm(boxes.centers_m[:, None] - others.centers_m[None], axis=2)
    reach_m = SAME_PLACE_SHARE * np.linalg.norm(boxes.centers_m, axis=1)
    turn = yaw_rad(boxes)[:, None] - yaw_rad(others)[None]
    is_same = apart_m <= np.maximum(SAME_PLACE_M, reach_m)[:, None]
    is_same &= np.abs(np.angle(np.exp(1j * turn))) <= SAME_HEADING_RAD
    is_same &= boxes.class_ids[:, None] == others.class_ids[None]
    return np.asarray(is_same.any(1), bool)


def joined(parts: Sequence[Boxes3D]) -> Boxes3D:
    return Boxes3D(
        np.concatenate([part.class_ids for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.centers_m for part in parts]),
        np.concatenate([part.sizes_m for part in parts]),
        np.concatenate([part.quaternions_xyzw for part in parts]),
        parts[0].classes,
    )
