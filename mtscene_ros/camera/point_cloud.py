"""Depth, colours and labels → an organised point cloud, pixel by pixel like the label image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Ids, Intrinsics


def point_type(label: str, confidence_at: int) -> np.dtype[np.void]:
    """Returns points as PCL and RViz expect them.

    rgb is 0x00RRGGBB in the bits of a float; 20 bytes keep the floats aligned.
    """
    return np.dtype(
        {
            'names': ['x', 'y', 'z', 'rgb', 'label', 'confidence'],
            'formats': ['<f4', '<f4', '<f4', '<u4', label, 'u1'],
            'offsets': [0, 4, 8, 12, 16, confidence_at],
            'itemsize': 20,
        }
    )


POINT = point_type('u1', 17)
POINT_16 = point_type('<u2', 18)  # with labels of more than 255 classes


@lru_cache(maxsize=16)  # one per camera
def rays(intrinsics: Intrinsics) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns x, (W,), and y, (H,), of the points at a depth of one metre."""
    i = intrinsics
    x = (np.arange(i.width_px) - i.cx_px) / i.fx_px
    y = (np.arange(i.height_px) - i.cy_px) / i.fy_px
    return x.astype(np.float32), y.astype(np.float32)


def cloud(
    depth_m: NDArray[np.float32],
    intrinsics: Intrinsics,
    rgb: NDArray[np.uint8],
    labels: Ids,
    confidence: NDArray[np.uint8],
) -> NDArray[np.void]:
    """Returns an organised cloud in the optical frame, (H, W) of POINT or POINT_16.

    POINT_16 is for uint16 labels. depth_m: (H, W); intrinsics: of the same size; rgb: (H, W, 3);
    labels, confidence: (H, W). Points whose depth is unknown or out of range are NaN, so that the
    cloud stays organised.
    """
    kind, shift = (POINT, 8) if labels.dtype == np.uint8 else (POINT_16, 16)
    points = np.empty(depth_m.shape, kind)
    x, y = rays(intrinsics)
    z = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))
    points['z'] = z
    np.multiply(z, x, out=points['x'])
    np.multiply(z, y[:, None], out=points['y'])
    packed = rgb[..., 0].astype(np.uint32) << 16
    packed |= rgb[..., 1].astype(np.uint32) << 8
    packed |= rgb[..., 2]
    points['rgb'] = packed
    # The bytes behind them as well: a message must not carry what was in memory before.
    words = points.view('<u4').reshape(*depth_m.shape, kind.itemsize // 4)
    np.bitwise_or(labels, confidence.astype(np.uint32) << shift, out=words[..., 4])
    return points
