"""Blends of the new and the last outputs, pixel by pixel, where both agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[Any]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

NEW = np.float32(0.5)  # share of the new value in a blend of numbers
KEPT, MOST = np.float32(0.8), np.float32(1.2)  # of the votes for a label: each image, and at most
SAME_LOG_DEPTH = np.float32(0.25)  # larger differences of depth are not blended
OTHER_LOG_DEPTH = np.float32(0.7)  # still larger ones, a factor of 2, are another object
NEAR_M = 40.0  # the camera's own motion is seen on what is nearer
FEWEST = 200  # pixels from which it is found
MAX_STEP_M = 3.0  # of it between two images: 30 m/s at 10 Hz; more is another scene


def vote(confidence: Map) -> F32:
    """Returns the weight of each pixel's label: the square of its confidence, so that an unsure
    one changes little. confidence: uint8, round(255 p)."""
    share = confidence.astype(np.float32) / np.float32(255)
    return np.asarray(share * share, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Ballot:
    """The label of each pixel, its confidence (uint8), and the votes that it has left."""

    labels: Map
    confidence: Map
    votes: F32


def elect(labels: Map, confidence: Map, before: Ballot, agrees: Mask) -> Ballot:
    """Elects the label of each pixel among the last and the new one.

    Votes for the last label fade; the same label adds to them, another takes away and wins where
    none are left. Where nothing agrees the new label holds.
    """
    new = vote(confidence)
    is_same = labels == before.labels
    left = KEPT * before.votes + np.where(is_same, new, -new)
    stays = agrees & (left >= 0)
    # The mean, and of a label that the image speaks against no more than it had.
    mean = cv2.addWeighted(confidence, 0.5, before.confidence, 0.5, 0)
    kept = np.where(is_same, mean, np.minimum(mean, before.confidence))
    return Ballot(
        np.where(stays, before.labels, labels),
        np.where(stays, kept, confidence),
        np.where(agrees, np.minimum(np.abs(left), MOST), new),
    )


def own_motion_m(new: Map, before: Map, agrees: Mask) -> np.float32:
    """Returns by how many metres the camera's own motion along its axis has changed the depth of
    all that stands, 0 where too little is near or no camera moves like that."""
    near = agrees & (new < NEAR_M) & (before < NEAR_M)
    steps_m = (new - before)[near]
    step_m = np.float32(np.median(steps_m) if steps_m.size >= FEWEST else 0)
    return step_m if abs(step_m) <= MAX_STEP_M else np.float32(0)


def blended_depth(new: Map, before: Map, agrees: Mask) -> tuple[Map, Mask]:
    """Blends depths in log space, where they belong to one surface.

    Returns the depth, and where it agrees: everywhere but on another object. Unknown depths speak
    neither for nor against it.
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        apart = np.log(before / new)
    same = np.abs(apart) <= SAME_LOG_DEPTH
    blend = new * np.exp((1 - NEW) * np.where(agrees & same, apart, np.float32(0)))
    is_other = np.isfinite(apart) & (np.abs(apart) > OTHER_LOG_DEPTH)
    return blend.astype(new.dtype), agrees & ~is_other


def blended_normals(new: Map, before: Map, agrees: Mask) -> Map:
    """Blends unit vectors (3, h, w) and makes them unit vectors again."""
    mixed = NEW * new + (1 - NEW) * before
    length = np.sqrt((mixed * mixed).sum(0))
    usable = agrees & (length > 0.5)  # opposite directions have no middle
    return np.where(usable, mixed / np.maximum(length, np.float32(1e-6)), new).astype(new.dtype)


def blended_probability(new: Map, before: Map, agrees: Mask) -> Map:
    """Blends probabilities."""
    return np.where(agrees, NEW * new + (1 - NEW) * before, new).astype(new.dtype)
