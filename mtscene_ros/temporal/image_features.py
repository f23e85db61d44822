"""A short description of an image and of what a model made of it, for `novelty`.

Only the outputs that the graph has anyway are used. Everything is computed on coarse grids, so
that an image costs little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import ModelSpec

F64 = NDArray[np.float64]
VERSION = 1  # of what `features` returns; statistics of another version do not fit
ROWS, COLUMNS = 48, 96  # of the grids
BANDS = 3  # the upper, the middle and the lower third are described separately
NEAR_M, FAR_M = 0.5, 200.0  # nearer and farther depths count as these


def needed(spec: ModelSpec) -> tuple[str, ...]:
    """Returns the names of the outputs that are looked at: those of labels and of metric depth."""
    names = ('semantic_labels', 'semantic_confidence', 'depth')
    return tuple(o.name for o in spec.outputs if o.name in names)


def features(
    rgb: NDArray[np.uint8], box: Letterbox, outputs: Mapping[str, NDArray[Any]], spec: ModelSpec
) -> F64:
    """Returns the description of one image, (D,); D depends on the model's tasks and classes.

    rgb: (h, w, 3) at network size; box: its letterbox, whose borders are left out; outputs: the
    tensors named by `needed`, without the batch axis.
    """
    found = picture_features(grid(rgb, box, cv2.INTER_AREA).astype(np.float64))
    if 'semantic_labels' in outputs:
        count = len(spec.tasks['semantic']['classes'])
        labels = grid(outputs['semantic_labels'], box, cv2.INTER_NEAREST)
        found += label_features(labels.astype(np.int64), count)
    if 'semantic_confidence' in outputs:
        confidence = grid(outputs['semantic_confidence'], box, cv2.INTER_NEAREST)
        found += confidence_features(confidence / 255.0)
    if 'depth' in outputs:
        depth = grid(outputs['depth'].astype(np.float32), box, cv2.INTER_NEAREST)
        found += depth_features(np.log(np.nan_to_num(depth, nan=FAR_M).clip(NEAR_M, FAR_M)))
    return np.array(found, np.float64)


def grid(network_map: NDArray[Any], box: Letterbox, how: int) -> NDArray[Any]:
    """Returns the part of a map that shows the camera's image as (ROWS, COLUMNS[, 3])."""
    height, width = network_map.shape[:2]
    y, x = height / box.network_height_px, width / box.network_width_px
    top, left = round(box.top_px * y), round(box.left_px * x)
    bottom = max(top + 1, round((box.top_px + box.inner_height_px) * y))
    right = max(left + 1, round((box.left_px + box.inner_width_px) * x))
    part = np.ascontiguousarray(network_map[top:bottom, left:right])
    if part.dtype == np.int32:
        part = part.astype(np.float32)  # OpenCV scales no integers of 32 bits
    return cv2.resize(part, (COLUMNS, ROWS), interpolation=how)


def by_band(values: F64) -> list[F64]:
    return np.split(values, BANDS)


def roughness(values: F64) -> list[float]:
    """Returns the logarithms of the mean steps downwards and to the right."""
    steps = (np.abs(np.diff(values, axis=axis)).mean() for axis in (0, 1))
    return [float(np.log(step + 1e-2)) for step in steps]


def picture_features(rgb: F64) -> list[float]:
    """Brightness, colour and structure of an (ROWS, COLUMNS, 3) image of 0 to 255."""
    brightness = np.log(rgb.mean(2) + 8)
    high = rgb.max(2) + 8
    saturation, warmth = (high - 8 - rgb.min(2)) / high, (rgb[..., 0] - rgb[..., 2]) / high
    found = [*roughness(brightness)]
    for values in (brightness, saturation, warmth):
        found += [float(band.mean()) for band in by_band(values)]
    return found + [float(band.std()) for band in by_band(brightness)]


def label_features(labels: NDArray[np.int64], count: int) -> list[float]:
    """Roots of the classes' shares of each third (so that a rare class counts), the entropy of
    their shares of the image, and how often neighbours differ."""
    found: list[float] = []
    known = labels.clip(0, count)  # what is beyond the table, as unlabelled pixels are, comes last
    shares = [np.bincount(b.ravel(), minlength=count + 1) / b.size for b in np.split(known, BANDS)]
    for share in shares:
        found += np.sqrt(share[:count]).tolist()
    whole = np.mean(shares, axis=0)
    entropy = -float((whole * np.log(whole + 1e-9)).sum())
    edges = [float(np.sqrt((np.diff(known, axis=axis) != 0).mean())) for axis in (0, 1)]
    return [*found, entropy, *edges]


def confidence_features(confidence: F64) -> list[float]:
    """The mean of each third, a low quantile, and the mean logarithm of what is missing to 1."""
    means = [float(band.mean()) for band in by_band(confidence)]
    return [*means, float(np.quantile(confidence, 0.1)), float(np.log(1.02 - confidence).mean())]


def depth_features(log_depth: F64) -> list[float]:
    """Mean and deviation of log depth in each third, and its roughness."""
    found = roughness(log_depth)
    for band in by_band(log_depth):
        found += [float(band.mean()), float(band.std())]
    return found
