"""Network pixels and camera pixels: the letterbox between them, and what it does to images and
intrinsics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_RGB = (124, 116, 104)  # ImageNet's mean colour: becomes zero once the graph has normalised it


@dataclass(frozen=True, slots=True)
class View:
    """A camera image scaled by `scale` (network pixels per camera pixel) and centred in the
    network's input.

    The image occupies rows top_px .. top_px + inner_height_px of the input, columns likewise.
    Pixel centres are at integers, hence the half-pixel terms: u_network = (u_camera + 0.5) * scale
    - 0.5 + left_px.
    """

    camera_width_px: int
    camera_height_px: int
    network_width_px: int
    network_height_px: int

    @property
    def scale(self) -> float:
        return min(
            self.network_width_px / self.camera_width_px,
            self.network_height_px / self.camera_height_px,
        )

    @property
    def inner_width_px(self) -> int:
        return max(1, round(self.camera_width_px * self.scale))

    @property
    def inner_height_px(self) -> int:
        return max(1, round(self.camera_height_px * self.scale))

    @property
    def left_px(self) -> int:
        return (self.network_width_px - self.inner_width_px) // 2

    @property
    def top_px(self) -> int:
        return (self.network_height_px - self.inner_height_px) // 2

    def to_network(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) camera image → (h, w, 3) contiguous network input."""
        size = (self.inner_width_px, self.inner_height_px)
        how = cv2.INTER_AREA if self.scale < 0.5 else cv2.INTER_LINEAR
        inner = cv2.resize(rgb, size, interpolation=how)
        if size == (self.network_width_px, self.network_height_px):
            return np.asarray(inner, np.uint8)
        out = np.empty((self.network_height_px, self.network_width_px, 3), np.uint8)
        out[:] = PAD_RGB
        out[self._inner()] = inner
        return out

    def to_camera(self, network_map: NDArray[Any], *, smooth: bool) -> NDArray[Any]:
        """(h', w'[, C]) map that covers the network input at any resolution → (H, W[, C]) in
        camera pixels.

        smooth: bilinear; otherwise nearest neighbour, which never invents a value.
        """
        inner = self._crop(network_map)
        size = (self.camera_width_px, self.camera_height_px)
        how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST_EXACT
        return np.asarray(cv2.resize(inner, size, interpolation=how))

    def points_to_camera(self, uv_network: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) u, v in network pixels → (N, 2) in camera pixels."""
        offset = np.array([self.left_px, self.top_px], np.float64)
        return (uv_network - offset + 0.5) / self.scale - 0.5

    def points_to_network(self, uv_camera: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) u, v in camera pixels → (N, 2) in network pixels."""
        offset = np.array([self.left_px, self.top_px], np.float64)
        return (uv_camera + 0.5) * self.scale - 0.5 + offset

    def _inner(self) -> tuple[slice, slice]:
        return (
            slice(self.top_px, self.top_px + self.inner_height_px),
            slice(self.left_px, self.left_px + self.inner_width_px),
        )

    def _crop(self, network_map: NDArray[Any]) -> NDArray[Any]:
        height, width = network_map.shape[:2]
        if (height, width) != (self.network_height_px, self.network_width_px):
            size = (self.network_width_px, self.network_height_px)
            network_map = np.asarray(
                cv2.resize(network_map, size, interpolation=cv2.INTER_NEAREST_EXACT)
            )
        return network_map[self._inner()]
