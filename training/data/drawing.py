"""Shapes of annotation tools as masks. Pixel (x, y) covers [x, x + 1) x [y, y + 1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

FAR = 100.0  # times the image size: farther out nothing can be meant
ELLIPSE_CORNERS = 180

Mask = NDArray[np.bool_]
Size = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """images: folder of the images; classes: names in the order of their ids, None for those of
    the file; fill_boxes: draw boxes without a mask; predictions: take a model's predictions where
    nobody has annotated; table: text file with the colours or ids of the classes."""

    images: Path
    classes: list[str] | None = None
    fill_boxes: bool = False
    predictions: bool = False
    table: Path | None = None


def polygon_mask(corners: NDArray[np.float64], size: Size) -> Mask:
    """(N, 2) corners in pixels, edges of the image at 0 and its size → (H, W).

    Raises ValueError for corners that are not finite or far outside the image.
    """
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError('a polygon needs three corners of two numbers')
    if not np.isfinite(corners).all() or np.abs(corners).max() > FAR * max(size):
        raise ValueError('a region extends far outside its image')
    mask = np.zeros(size, bool)
    at = corners - 0.5  # of pixel centres
    rows, columns = polygon(at[:, 1], at[:, 0], size)  # type: ignore[no-untyped-call]
    mask[rows, columns] = True
    return mask


def box_mask(left: float, top: float, right: float, bottom: float, size: Size) -> Mask:
    """Raises ValueError for a box that is not finite."""
    edges = np.array([left, top, right, bottom], np.float64)
    if not np.isfinite(edges).all():
        raise ValueError('a box is not finite')
    limits = np.array([size[1], size[0]] * 2)
    x0, y0, x1, y1 = np.round(edges).clip(0, limits).astype(int)
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def turned_box(
    corner: NDArray[np.float64], size_px: NDArray[np.float64], degrees: float
) -> NDArray[np.float64]:
    """Returns the (4, 2) corners of a rectangle that is turned clockwise about its first."""
    across, down = axes(degrees)
    width, height = size_px
    return np.stack(
        [
            corner,
            corner + width * across,
            corner + width * across + height * down,
            corner + height * down,
        ]
    )


def ellipse_corners(
    center: NDArray[np.float64], radii: NDArray[np.float64], degrees: float
) -> NDArray[np.float64]:
    """Returns (N, 2) corners of an ellipse that is turned clockwise about its centre."""
    across, down = axes(degrees)
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
    found = center + radii[0] * np.cos(angles) * across + radii[1] * np.sin(angles) * down
    return np.asarray(found)


def axes(degrees: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the directions to the right and down after a clockwise turn; y points down."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([c, s]), np.array([-s, c])
