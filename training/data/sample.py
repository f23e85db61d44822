"""What training knows about one image, as NumPy arrays, before targets are computed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import UNLABELED, Intrinsics

# The value that means "unknown" in each map of a Sample.
UNKNOWN: dict[str, float] = {
    'labels': UNLABELED,
    'depth_m': float('nan'),
    'normals': 0.0,
    'boundary': 255,
    'saliency': 255,
    'human_parts': 255,
}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image with its ground truth.

    rgb: (H, W, 3) uint8; labels: (H, W) uint8, 255 unknown; depth_m: (H, W) float32 along optical
    z, inf for sky, NaN unknown; class_ids: (N,) int64; centers_m: (N, 3) geometric centres in the
    optical frame; sizes_m: (N, 3) length, width, height; yaw_rad: (N,) KITTI's rotation_y;
    visible, truncated: (N,) fractions in [0, 1]; normals: (H, W, 3) unit, optical frame, towards
    the camera, zero unknown; boundary: (H, W) uint8, 1 where another object begins to the right or
    below, 255 unknown; saliency: (H, W) uint8, 1 on salient objects, 255 unknown; human_parts:
    (H, W) uint8 ids of HUMAN_PARTS_7, 255 unknown. These four are None if the data set lacks them.

    quaternions_xyzw: (N, 4) optical_from_box and bbox_px: (N, 4) u1 v1 u2 v2 of the visible part,
    both None if the data set has only the fields above; has_boxes: whether the image was annotated
    with boxes at all; baseline_m: baseline of the stereo pair that depth comes from; maps:
    user-defined dense tasks by name, (H, W), uint8 with 255 unknown or float32 with NaN unknown.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: Intrinsics
    class_ids: NDArray[np.int64]
    centers_m: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    visible: NDArray[np.float32]
    truncated: NDArray[np.float32]
    normals: NDArray[np.float32] | None = None
    boundary: NDArray[np.uint8] | None = None
    saliency: NDArray[np.uint8] | None = None
    human_parts: NDArray[np.uint8] | None = None
    quaternions_xyzw: NDArray[np.float64] | None = None
    bbox_px: NDArray[np.float64] | None = None
    has_boxes: bool = True
    baseline_m: float | None = None
    maps: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def blank(rgb: NDArray[np.uint8], intrinsics: Intrinsics) -> Sample:
    """Creates a sample in which everything is unknown; loaders fill in the rest with `replace`."""
    size = rgb.shape[:2]
    three, none = np.zeros((0, 3)), np.zeros(0, np.float32)
    return Sample(
        rgb,
        np.full(size, UNLABELED, np.uint8),
        np.full(size, np.nan, np.float32),
        intrinsics,
        np.zeros(0, np.int64),
        three,
        three,
        np.zeros(0),
        none,
        none,
        has_boxes=False,
    )


def changed_maps(
    sample: Sample, change: Callable[[str, NDArray[Any], float], NDArray[Any]]
) -> dict[str, Any]:
    """Applies change(name, map, value for unknown) to every map that is present. The result is
    ready for `replace`."""
    found: dict[str, Any] = {}
    for name, unknown in UNKNOWN.items():
        values = getattr(sample, name)
        if values is not None:
            found[name] = change(name, values, unknown)
    found['maps'] = {
        name: change(name, values, UNLABELED if values.dtype == np.uint8 else np.nan)
        for name, values in sample.maps.items()
    }
    return found
