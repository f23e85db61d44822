"""From a camera's image to the input of the network, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.types import CameraFrame


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """One image as the network takes it.

    rgb: (h, w, 3) uint8 at network size; letterbox: the way back to camera pixels.
    """

    rgb: NDArray[np.uint8]
    letterbox: Letterbox

    @property
    def shown(self) -> NDArray[np.uint8]:
        """The part of rgb that shows the camera's image, without borders; a view."""
        box = self.letterbox
        rows = slice(box.top_px, box.top_px + box.inner_height_px)
        return self.rgb[rows, box.left_px : box.left_px + box.inner_width_px]


def prepare(
    frame: CameraFrame, spec: ModelSpec, *, stretched: bool = False, output_scale: float = 1.0
) -> NetworkInput:
    """Scales an image into the network's input; normalisation happens inside the graph.

    frame: the image; spec: the contract with the input's size; stretched: fill the input instead
    of keeping proportions; output_scale: size of the maps that come back.
    """
    height, width = frame.rgb.shape[:2]
    letterbox = Letterbox(width, height, spec.width_px, spec.height_px, stretched, output_scale)
    return NetworkInput(letterbox.to_network(frame.rgb), letterbox)
