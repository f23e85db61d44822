"""Surface normals: vectors in the axes of the data set → unit vectors in the optical frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options
from mtscene_ros.types import CameraFrame, NormalMap

OUTPUTS = ('normals',)
NEEDS_INTRINSICS = False  # scaling an image rotates nothing
MIN_LENGTH = 0.1  # of a mean of unit vectors; shorter ones contradict each other


def decoder(
    options: Options,
) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], NormalMap]:
    """Returns the function that decodes one image.

    options: {signs: [x, y, z]}, each 1 or -1, which turn the tensor's axes into x right, y down, z
    forward. The tensor is (3, h, w); its vectors point out of the surface, towards the camera.
    Raises ValueError for other signs.
    """
    signs = np.array([float(sign) for sign in options['signs']], np.float32)
    if signs.shape != (3,) or (np.abs(signs) != 1).any():
        raise ValueError(f'signs {options["signs"]} are not three of 1 and -1')

    def decode(
        outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, frame: CameraFrame
    ) -> NormalMap:
        channels = outputs['normals'].astype(np.float32, copy=False)
        planes = [letterbox.to_camera(channel, smooth=True) for channel in channels]
        normals = np.stack(planes, -1) * signs
        length = np.sqrt(np.einsum('hwc,hwc->hw', normals, normals))
        length[~(length >= MIN_LENGTH)] = np.nan
        return NormalMap(np.asarray(normals / length[..., None], np.float32))

    return decode
