"""Results without the pixels that the lens did not see: undistortion leaves them black."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import project
from mtscene_ros.types import (
    Boxes3D,
    CameraFrame,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    ValueMap,
)

Mask = NDArray[np.bool_]


def without_unseen(result: Result, frame: CameraFrame) -> Result:
    """Returns a result in which the unseen pixels of its image are unknown.

    Labels become unknown with a confidence of 0, numbers NaN; boxes centred there are left out.
    """
    if frame.unseen is None:
        return result
    if isinstance(result, Boxes3D):
        return result.select(~centred_in(frame.unseen, result, frame))
    return HIDE[type(result)](result, frame.unseen)


def centred_in(unseen: Mask, boxes: Boxes3D, frame: CameraFrame) -> Mask:
    """Returns (N,), which boxes have their centre on an unseen pixel of the image."""
    height, width = unseen.shape
    found = np.zeros(len(boxes), bool)
    ahead = boxes.centers_m[:, 2] > 0
    if frame.intrinsics is None or not ahead.any():
        return found
    uv_px = np.rint(project(boxes.centers_m[ahead], frame.intrinsics))
    inside = np.asarray((uv_px >= 0).all(1) & (uv_px < (width, height)).all(1))
    u, v = np.where(inside[:, None], uv_px, 0).astype(np.int64).T
    found[ahead] = inside & unseen[v, u]
    return found


def fitting(unseen: Mask, shape: tuple[int, ...]) -> Mask:
    """Returns the mask for maps of shape (h, w, ...), which may be smaller than the image."""
    if unseen.shape == shape[:2]:
        return unseen
    size = (shape[1], shape[0])
    found = cv2.resize(unseen.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(found, bool)


def _labels(found: LabelMap, unseen: Mask) -> LabelMap:
    mask = fitting(unseen, found.labels.shape)
    unknown = np.iinfo(found.labels.dtype).max
    labels = np.where(mask, found.labels.dtype.type(unknown), found.labels)
    return LabelMap(labels, np.where(mask, np.uint8(0), found.confidence), found.classes)


def _numbers(values: NDArray[np.float32], unseen: Mask) -> NDArray[np.float32]:
    mask = fitting(unseen, values.shape)
    return np.where(mask[..., None] if values.ndim == 3 else mask, np.float32(np.nan), values)


HIDE: dict[type, Callable[[Any, Mask], Result]] = {
    LabelMap: _labels,
    DepthMap: lambda found, unseen: DepthMap(_numbers(found.depth_m, unseen)),
    NormalMap: lambda found, unseen: NormalMap(_numbers(found.normals, unseen)),
    ProbabilityMap: lambda found, unseen: ProbabilityMap(_numbers(found.probability, unseen)),
    ValueMap: lambda found, unseen: ValueMap(_numbers(found.values, unseen)),
}
