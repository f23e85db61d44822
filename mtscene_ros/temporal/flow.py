"""Where each pixel of the present image was in the last one, and where that can be relied on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

MAX_LOOP_PX, MAX_LOOP_SHARE = 3.0, 0.5  # of there and back again; the share is of the way
MAX_LEVELS = 25.0  # difference of grey levels between a pixel and where it comes from
CHECK = 2  # the way forth is only a check, and found on an image that is smaller by this


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """The way back from the present image to the last.

    columns, rows: (h, w) float32, where each pixel was; agrees: (h, w) bool, where both images
    show the same thing there.
    """

    columns: F32
    rows: F32
    agrees: NDArray[np.bool_]

    def moved(self, last: NDArray[Any], *, smooth: bool) -> NDArray[Any]:
        """Returns an (h, w) or (h, w, c) map of the last image as it lies in the present one."""
        how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        found = cv2.remap(last, self.columns, self.rows, how, None, cv2.BORDER_REPLICATE)
        return np.asarray(found, last.dtype)

    def resized(self, height: int, width: int) -> Motion:
        """Returns the same way for maps of another size."""
        old_height, old_width = self.rows.shape
        if (height, width) == (old_height, old_width):
            return self
        x, y = width / old_width, height / old_height
        columns, rows, agrees = (
            cv2.resize(m, (width, height), interpolation=cv2.INTER_AREA)
            for m in (self.columns, self.rows, self.agrees.astype(np.float32))
        )
        return Motion(
            np.asarray((columns + 0.5) * x - 0.5, np.float32),
            np.asarray((rows + 0.5) * y - 0.5, np.float32),
            np.asarray(agrees > 0.5, np.bool_),
        )


def motion(last: U8, now: U8) -> Motion:
    """Finds the dense optical flow between two (h, w) grey images.

    DIS: Kroeger et al., Fast Optical Flow Using Dense Inverse Search, ECCV 2016. A pixel is relied
    on where the way forth leads back to it (Sundaram et al., Dense Point Trajectories by
    GPU-Accelerated Large Displacement Optical Flow, ECCV 2010, section 3) and the images agree.
    """
    back = flow(now, last)
    height, width = now.shape
    down, right = np.mgrid[:height, :width].astype(np.float32)
    columns, rows = back[..., 0] + right, back[..., 1] + down
    inside = (columns >= -0.5) & (columns <= width - 0.5) & (rows >= -0.5) & (rows <= height - 0.5)
    way = Motion(columns, rows, np.asarray(inside, np.bool_))
    blurred = [cv2.blur(image, (3, 3)) for image in (way.moved(last, smooth=True), now)]
    is_same = cv2.absdiff(*blurred) <= MAX_LEVELS
    size = max(height // CHECK, 1), max(width // CHECK, 1)
    returns = grown(returning(way.resized(*size), last, now).astype(np.uint8), now.shape) > 0
    return Motion(columns, rows, np.asarray(inside & is_same & returns, np.bool_))


def flow(first: U8, second: U8) -> F32:
    """Returns (h, w, 2): where each pixel of the first image is in the second, minus itself."""
    # OpenCV's stubs do not know that the first flow may be None.
    finder: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    return np.asarray(finder.calc(first, second, None), np.float32)


def returning(way: Motion, last: U8, now: U8) -> NDArray[np.bool_]:
    """Tells for each pixel of a small way whether the flow forth undoes it."""
    height, width = way.rows.shape
    small = [
        np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        for image in (last, now)
    ]
    down, right = np.mgrid[:height, :width].astype(np.float32)
    back = np.stack([way.columns - right, way.rows - down], 2)
    loop = np.linalg.norm(back + way.moved(flow(*small), smooth=True), axis=2)
    allowed = MAX_LOOP_PX / CHECK + MAX_LOOP_SHARE * np.linalg.norm(back, axis=2)
    return np.asarray(loop <= allowed, np.bool_)


def grown(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Returns an (h, w) map in another size, each pixel as the nearest one; no value is new."""
    if values.shape == shape[:2]:
        return values
    kind = np.float32 if values.dtype == np.int32 else values.dtype  # OpenCV scales no int32
    found = cv2.resize(values.astype(kind), shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(found, values.dtype)
