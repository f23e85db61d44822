"""Corrects depth by how the camera is mounted: its height, and where the horizon lies.

On level ground the inverse depth of a row is 1 / Z = (y + t) / h with y = (v - cy) / f, h the
camera's height and -t the horizon. A network that is wrong about h and t is wrong by the same
1 / Z_true = (h_seen / Z_seen + t_true - t_seen) / h_true on everything that stands on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.unlabelled.views import Opinion

ROAD, SURE = 0, 0.8  # class of CITYSCAPES_19, and the probability above which it is believed
RANGE_M = (4.0, 60.0)  # of the assumed camera
LEAST_PIXELS = 300
FARTHEST_M = 1000.0  # given to what lies behind the horizon by the rule above
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mounting:
    """height_m: height of the camera above the road; tilt: (cy - horizon row) / width, positive
    where the camera looks down."""

    height_m: float
    tilt: float


def mounting_of(height_m: float, horizon: float, width_px: int, height_px: int) -> Mounting:
    """Builds a mounting. horizon: row of the horizon over the image's height, 0.5 for a level
    camera whose principal point is the centre."""
    return Mounting(height_m, (0.5 - horizon) * height_px / width_px)


def seen_mounting(found: Opinion) -> Mounting | None:
    """Fits a plane to the road's depths by least squares, weighted with the depth. Returns None
    where too little road is visible."""
    assert found.log_depth is not None
    road = (found.probabilities.argmax(0) == ROAD) & (found.probabilities.max(0) > SURE)
    rows, columns = np.nonzero(road & np.isfinite(found.log_depth))
    depth_m = np.exp(found.log_depth[rows, columns].astype(np.float64))
    known = (depth_m > RANGE_M[0]) & (depth_m < RANGE_M[1])
    if known.sum() < LEAST_PIXELS:
        return None
    height, width = road.shape
    x = (columns[known] - (width - 1) / 2) / width
    y = (rows[known] - (height - 1) / 2) / width
    depth_m = depth_m[known]
    rays = np.stack([x, y, np.ones_like(x)], 1) * depth_m[:, None]
    (_, down, ahead), *_ = np.linalg.lstsq(rays, np.ones_like(x), rcond=None)
    return Mounting(float(1 / down), float(ahead / down)) if down > 0 else None


def corrected(found: Opinion, seen: Mounting, true: Mounting) -> Opinion:
    """Converts the depths to those of the true mounting. Boxes stay: their distances come from how
    large objects look, and moving them as well cost more than half of the cars' AP on KITTI
    (benchmarks/results/street_lite.md)."""
    assert found.log_depth is not None
    depth_m = corrected_depth_m(np.exp(found.log_depth.astype(np.float64)), seen, true)
    return replace(found, log_depth=np.log(depth_m).astype(np.float32))


def corrected_depth_m(depth_m: F64, seen: Mounting, true: Mounting) -> F64:
    inverse = (seen.height_m / depth_m + true.tilt - seen.tilt) / true.height_m
    return 1 / np.maximum(inverse, 1 / FARTHEST_M)


def corrected_recording(
    found: list[Opinion], images: list[NDArray[np.uint8]], height_m: float, horizon: float | None
) -> tuple[list[Opinion], Mounting]:
    """Corrects every frame of a recording by its own mounting as the network sees it; frames
    without enough road use the medians, which are returned as well. horizon None: it lies where
    the network sees it. Raises ValueError where no frame shows enough road."""
    seen = [seen_mounting(opinion) for opinion in found]
    known = [mounting for mounting in seen if mounting is not None]
    if not known:
        raise ValueError('No frame shows enough road to use the mounting; leave --mounting out.')
    typical = Mounting(
        float(np.median([m.height_m for m in known])), float(np.median([m.tilt for m in known]))
    )
    height, width = images[0].shape[:2]
    results = []
    for opinion, mounting in zip(found, seen, strict=True):
        own = mounting or typical
        true = Mounting(height_m, own.tilt)
        if horizon is not None:
            true = mounting_of(height_m, horizon, width, height)
        results.append(corrected(opinion, own, true))
    return results, typical
