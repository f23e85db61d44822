"""The letterbox: from camera pixels to network pixels and back."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_RGB = (124, 116, 104)  # ImageNet's mean colour: becomes zero once the graph has normalised it


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A camera image scaled by `scale` (network pixels per camera pixel) and centred in the
    network's input.

    The image occupies rows top_px .. top_px + inner_height_px of the input, columns likewise.
    Pixel centres are at integers, hence the half-pixel terms: u_network = (u_camera + 0.5) * scale
    - 0.5 + left_px.

    camera_width_px, camera_height_px: size of the image; network_width_px, network_height_px: size
    of the input; stretched: the image fills the input, whatever that does to its proportions;
    output_scale: size of the maps that come back, in sizes of the camera image.
    """

    camera_width_px: int
    camera_height_px: int
    network_width_px: int
    network_height_px: int
    stretched: bool = False
    output_scale: float = 1.0

    @property
    def scale(self) -> float:
        """Network pixels per camera pixel, unless stretched; see `scales` for the exact ones."""
        return min(
            self.network_width_px / self.camera_width_px,
            self.network_height_px / self.camera_height_px,
        )

    @property
    def inner_width_px(self) -> int:
        if self.stretched:
            return self.network_width_px
        return max(1, round(self.camera_width_px * self.scale))

    @property
    def inner_height_px(self) -> int:
        if self.stretched:
            return self.network_height_px
        return max(1, round(self.camera_height_px * self.scale))

    @property
    def output_width_px(self) -> int:
        return max(1, round(self.camera_width_px * self.output_scale))

    @property
    def output_height_px(self) -> int:
        return max(1, round(self.camera_height_px * self.output_scale))

    @property
    def left_px(self) -> int:
        return (self.network_width_px - self.inner_width_px) // 2

    @property
    def top_px(self) -> int:
        return (self.network_height_px - self.inner_height_px) // 2

    def to_network(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scales an (H, W, 3) camera image → (h, w, 3) contiguous network input, with borders."""
        size = (self.inner_width_px, self.inner_height_px)
        how = cv2.INTER_AREA if self.scale < 0.5 else cv2.INTER_LINEAR
        inner = cv2.resize(halved(rgb, size), size, interpolation=how)
        if size == (self.network_width_px, self.network_height_px):
            return np.asarray(inner, np.uint8)
        out = np.empty((self.network_height_px, self.network_width_px, 3), np.uint8)
        out[:] = PAD_RGB
        out[self._inner()] = inner
        return out

    def to_camera(self, network_map: NDArray[Any], *, smooth: bool) -> NDArray[Any]:
        """Cuts off the borders of a network map and resizes it.

        Args:
            network_map: (h', w'), covers the whole network input, at any resolution.
            smooth: bilinear if true, otherwise the nearest value, so that no new value appears.

        Returns:
            (H, W) map of the camera image times output_scale, of the same dtype.
        """
        height, width = network_map.shape
        x, y = self._axis(0, width), self._axis(1, height)
        size = (self.output_width_px, self.output_height_px)
        if not smooth:  # columns first: rows are then copied whole
            columns, rows = x.nearest(size[0], width), y.nearest(size[1], height)
            return np.asarray(network_map.take(columns, 1).take(rows, 0))
        if x.start.is_integer() and y.start.is_integer():  # a ninth of the time of what follows
            shown = network_map[int(y.start) : ceil(y.stop), int(x.start) : ceil(x.stop)]
            # By the exact step: a size would have to be rounded.
            found = cv2.resize(shown, None, None, 1 / x.step, 1 / y.step, cv2.INTER_LINEAR)
            if found.shape[0] >= size[1] and found.shape[1] >= size[0]:
                return np.asarray(found[: size[1], : size[0]])
        matrix = np.array([[x.step, 0, x.first], [0, y.step, y.first]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(network_map, matrix, size, None, flags, cv2.BORDER_REPLICATE)

    def camera_rows(self, first: int, last: int, map_height: int) -> slice:
        """Returns the rows of `to_camera`'s result that depend on rows first to last of a network
        map, and a few more: a pixel is interpolated between two rows."""
        y = self._axis(1, map_height)
        start, stop = ((row - y.first) / y.step for row in (first - 1, last + 1))
        end = self.output_height_px if last == map_height - 1 else max(0, ceil(stop) + 2)
        return slice(max(0, int(start) - 2), end)

    def points_to_camera(self, uv_network: NDArray[np.float64]) -> NDArray[np.float64]:
        """Converts (N, 2) u, v in network pixels → (N, 2) u, v in camera pixels."""
        return (uv_network + 0.5 - self._offset_px) / self.scales - 0.5

    def points_to_network(self, uv_camera: NDArray[np.float64]) -> NDArray[np.float64]:
        """Converts (N, 2) u, v in camera pixels → (N, 2) u, v in network pixels."""
        return (uv_camera + 0.5) * self.scales + self._offset_px - 0.5

    @property
    def scales(self) -> NDArray[np.float64]:
        """(2,) exact scales of u and v; they differ from `scale`, since sizes are whole pixels."""
        inner = np.array([self.inner_width_px, self.inner_height_px], np.float64)
        return inner / (self.camera_width_px, self.camera_height_px)

    @property
    def _offset_px(self) -> NDArray[np.float64]:
        return np.array([self.left_px, self.top_px], np.float64)

    def _inner(self) -> tuple[slice, slice]:
        return (
            slice(self.top_px, self.top_px + self.inner_height_px),
            slice(self.left_px, self.left_px + self.inner_width_px),
        )

    def _axis(self, axis: int, map_size: int) -> _Axis:
        cells_per_px = map_size / (self.network_width_px, self.network_height_px)[axis]
        inner = (self.inner_width_px, self.inner_height_px)[axis]
        scale = inner / (self.output_width_px, self.output_height_px)[axis]
        offset_px = float(self._offset_px[axis])
        step, start = scale * cells_per_px, offset_px * cells_per_px
        return _Axis(start + 0.5 * step - 0.5, step, start, start + inner * cells_per_px)


def halved(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Halves an (H, W, 3) image as often as it stays at least twice `size` (width, height).

    OpenCV averages 2 x 2 pixels much faster than other areas, so a resize that follows costs less
    than half (1080p to 455 x 256: 1.8 instead of 4.3 ms). Pixels at the edge of an area are
    weighted in pairs, which changes grey values of photographs by 0.3 on average.
    """
    height, width = rgb.shape[:2]
    while not (width % 2 or height % 2) and width >= 4 * size[0] and height >= 4 * size[1]:
        width, height = width // 2, height // 2
        rgb = np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return rgb


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a map: output pixel i lies at cell first + i * step.

    The image's edges lie at start and stop, where cell j reaches from j to j + 1.
    """

    first: float
    step: float
    start: float
    stop: float

    def nearest(self, output_size: int, map_size: int) -> NDArray[np.int64]:
        cells = np.floor(self.first + 0.5 + self.step * np.arange(output_size))
        return np.asarray(cells.clip(0, map_size - 1), np.int64)
