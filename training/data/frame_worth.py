"""How much a person's labels of a frame would teach, and which frames to choose.

A frame is worth the more, the less the models are sure of it, the more they contradict one
another or themselves in the mirror, the more labels jump against the frame before, and the less it
resembles what is chosen already (Sener and Savarese, ICLR 2018, choose the farthest likewise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.temporal.flow import motion
from mtscene_ros.types import UNLABELED, LabelMap

THUMBNAIL_PX = (8, 6)  # of the colours by which frames are compared
COLOUR_SHARE = 0.5  # of the distance; labels have the rest
TRACKED_PX = 96  # width at which the motion between two frames is followed
SAME_GRAY = 20  # levels up to which a pixel may be the one that it was

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Doubts:
    """Each from 0 to 1; NaN where nothing is known.

    disagreement: share of pixels on which models differ, or one differs from itself in the mirror;
    unsureness: 1 - mean confidence; flicker: share of pixels whose label changed against the frame
    before, moved along with the image.
    """

    disagreement: float
    unsureness: float
    flicker: float


def differing_share(one: U8, other: U8) -> float:
    """Returns the share of the pixels known to both whose labels differ, NaN if there are none."""
    known = (one != UNLABELED) & (other != UNLABELED)
    return float((one != other)[known].mean()) if known.any() else float('nan')


def unsureness(labels: LabelMap) -> float:
    return 1 - float(labels.confidence.mean()) / 255


def moved_labels(labels: U8, gray: U8, gray_before: U8) -> U8:
    """Moves the (H, W) labels of the frame before onto the present one along dense optical flow.

    Pixels on which the flow cannot be relied, or whose gray differs by more than SAME_GRAY, are
    UNLABELED: they were hidden, come from outside, or the picture is of another place.
    """
    size = TRACKED_PX, max(16, round(TRACKED_PX * gray.shape[0] / gray.shape[1]))
    before, now = (
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        for image in (gray_before, gray)
    )
    way = motion(before, now).resized(*labels.shape)
    gray_then = way.moved(gray_before, smooth=True)
    is_same = way.agrees & (cv2.absdiff(gray_then, gray) <= SAME_GRAY)
    return np.where(is_same, way.moved(labels, smooth=False), np.uint8(UNLABELED))


def feature(rgb: U8, labels: U8, classes: int) -> F64:
    """Returns what a frame looks like, as a vector: shares of the classes and colours of a
    thumbnail, each part scaled to a length of about 1."""
    shares = np.bincount(labels.ravel(), minlength=256)[:classes] / labels.size
    colours = cv2.resize(rgb, THUMBNAIL_PX, interpolation=cv2.INTER_AREA).ravel() / 255
    part = COLOUR_SHARE / np.sqrt(len(colours))
    return np.concatenate([(1 - COLOUR_SHARE) * np.sqrt(shares), part * colours])


def ranks(values: Sequence[float]) -> F64:
    """Returns the rank of each value from 0 to 1, 0.5 for NaN: doubts have different scales."""
    found = np.asarray(values, np.float64)
    known = np.isfinite(found)
    order = np.full(len(found), 0.5)
    if known.sum() > 1:
        order[known] = np.argsort(np.argsort(found[known], kind='stable')) / (known.sum() - 1)
    return order


def worth(doubts: Sequence[Doubts]) -> F64:
    """Returns the mean rank of every frame's doubts."""
    columns = zip(*map(astuple, doubts), strict=True)
    return np.asarray(np.mean([ranks(column) for column in columns], axis=0), np.float64)


def choose(values: F64, features: F64, count: int) -> list[int]:
    """Chooses up to `count` frames, the best first: value times distance to the nearest chosen.

    values: (N,); features: (N, D). The first is the frame of the highest value.
    """
    chosen: list[int] = []
    distance = np.full(len(values), np.inf)
    while len(chosen) < min(count, len(values)):
        reach = np.where(np.isfinite(distance), distance, 1.0)
        gain = (values + 1e-3) * reach
        gain[chosen] = -1
        best = int(np.argmax(gain))
        chosen.append(best)
        distance = np.minimum(distance, np.linalg.norm(features - features[best], axis=1))
    return chosen
