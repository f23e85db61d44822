"""Where each pixel of the present image was in the last one, and where that can be relied on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

MAX_LOOP_PX, MAX_LOOP_SHARE = 3.0, 0.5  # of there and back again; the share is of the way
MAX_LEVELS = 25.0  # difference of grey levels between a pixel and where it comes from
NONE: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
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
    right, down = places(height, width)
    columns = np.asarray(cv2.add(back[..., 0], right), np.float32)
    rows = np.asarray(cv2.add(back[..., 1], down), np.float32)
    way = Motion(columns, rows, NONE)
    inside = (columns >= -0.5) & (columns <= width - 0.5) & (rows >= -0.5) & (rows <= height - 0.5)
    blurred = [cv2.blur(image, (3, 3)) for image in (way.moved(last, smooth=True), now)]
    is_same = cv2.absdiff(*blurred) <= MAX_LEVELS
    returns = grown(returning(back, last, now), now.shape)
    return Motion(columns, rows, np.asarray(inside & is_same & returns, np.bool_))


@cache
def places(height: int, width: int) -> tuple[F32, F32]:
    """Returns the column and the row of each pixel."""
    down, right = np.mgrid[:height, :width].astype(np.float32)
    return right, down


def flow(first: U8, second: U8) -> F32:
    """Returns (h, w, 2): where each pixel of the first image is in the second, minus itself."""
    # OpenCV's stubs do not know that the first flow may be None.
    finder: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    return np.asarray(finder.calc(first, second, None), np.float32)


def returning(back: F32, last: U8, now: U8) -> NDArray[np.bool_]:
    """Tells whether the flow forth undoes the flow back, for each pixel of a smaller image."""
    height, width = (max(n // CHECK, 1) for n in now.shape)
    halved = [
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in (last, now, back)
    ]
    small = [np.asarray(image, np.uint8) for image in halved[:2]]
    x, y = (np.ascontiguousarray(halved[2][..., k]) / np.float32(CHECK) for k in (0, 1))
    right, down = places(height, width)
    forth = flow(*small)
    there = cv2.remap(
        forth, cv2.add(x, right), cv2.add(y, down), cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
    )
    loop = cv2.magnitude(cv2.add(x, there[..., 0]), cv2.add(y, there[..., 1]))
    allowed = MAX_LOOP_PX / CHECK + MAX_LOOP_SHARE * cv2.magnitude(x, y)
    return np.asarray(loop <= allowed, np.bool_)


def grown(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Returns an (h, w) map in another size, each pixel as the nearest one; no value is new."""
    if values.shape == shape[:2]:
        return values
    rows, columns = (
        (np.arange(size) * old) // size for size, old in zip(shape, values.shape, strict=False)
    )
    return np.asarray(values.take(columns, 1).take(rows, 0), values.dtype)
