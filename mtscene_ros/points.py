"""Depth, colours and labels → an organised point cloud, pixel by pixel like the label image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Intrinsics

# As PCL and RViz expect them: rgb is 0x00RRGGBB in the bits of a float; 20 bytes keep floats
# aligned.
POINT = np.dtype(
    {
        'names': ['x', 'y', 'z', 'rgb', 'label', 'confidence'],
        'formats': ['<f4', '<f4', '<f4', '<u4', 'u1', 'u1'],
        'offsets': [0, 4, 8, 12, 16, 17],
        'itemsize': 20,
    }
)


@lru_cache(maxsize=16)  # one per camera
def rays(intrinsics: Intrinsics) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(W,) x and (H,) y of the points at one metre of depth."""
    i = intrinsics
    x = (np.arange(i.width_px) - i.cx_px) / i.fx_px
    y = (np.arange(i.height_px) - i.cy_px) / i.fy_px
    return x.astype(np.float32), y.astype(np.float32)


def cloud(
    depth_m: NDArray[np.float32],
    intrinsics: Intrinsics,
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    confidence: NDArray[np.uint8],
) -> NDArray[np.void]:
    """(H, W), its camera, (H, W, 3), (H, W), (H, W) → (H, W) of POINT in the optical frame.

    Points whose depth is unknown or out of range are NaN, so the cloud stays organised.
    """
    points = np.empty(depth_m.shape, POINT)
    x, y = rays(intrinsics)
    z = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))
    points['z'] = z
    np.multiply(z, x, out=points['x'])
    np.multiply(z, y[:, None], out=points['y'])
    packed = rgb[..., 0].astype(np.uint32) << 16
    packed |= rgb[..., 1].astype(np.uint32) << 8
    packed |= rgb[..., 2]
    points['rgb'] = packed
    # The two bytes behind them as well: a message must not carry what was in memory before.
    words = points.view('<u4').reshape(*depth_m.shape, POINT.itemsize // 4)
    np.bitwise_or(labels, confidence.astype(np.uint32) << 8, out=words[..., 4])
    return points
