"""Image files and arrays that no camera driver has published → frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.image_headers import kind_of
from mtscene_ros.camera.images import ImageError, check_size, decoded, max_file_pixels
from mtscene_ros.types import CameraFrame, Intrinsics

FRAME_ID = 'camera_optical_frame'


def frame_of_photograph(
    image: str | Path | NDArray[np.uint8],
    *,
    horizontal_fov_deg: float | None = None,
    intrinsics: Intrinsics | None = None,
) -> CameraFrame:
    """Makes a frame with stamp 0 of an image file or of an (H, W, 3) uint8 RGB array.

    Args:
        image: path of a file in any format of OpenCV, turned upright as its EXIF tag says, or RGB.
        horizontal_fov_deg: angle between the left and the right edge of the image, for a camera
            that is not calibrated.
        intrinsics: calibration of the camera, for the image's size. Without either the frame has
            no intrinsics, and nothing metric can be computed.

    Raises:
        ImageError: the file or the array is not an image.
        ValueError: the camera is given twice, has another size, or an angle that no pinhole has.
    """
    rgb = checked_rgb(image) if isinstance(image, np.ndarray) else rgb_of_file(Path(image))
    height_px, width_px = rgb.shape[:2]
    if horizontal_fov_deg is not None:
        if intrinsics is not None:
            raise ValueError('The camera is given twice: horizontal_fov_deg and intrinsics.')
        intrinsics = camera_of_fov(width_px, height_px, horizontal_fov_deg)
    if intrinsics and (intrinsics.width_px, intrinsics.height_px) != (width_px, height_px):
        raise ValueError(
            f'The intrinsics are for {intrinsics.width_px}x{intrinsics.height_px} pixels, the '
            f'image has {width_px}x{height_px}; intrinsics.resized({width_px}, {height_px}) fits '
            'an image that was scaled.'
        )
    return CameraFrame(rgb, intrinsics, 0, FRAME_ID)


def camera_of_fov(width_px: int, height_px: int, horizontal_fov_deg: float) -> Intrinsics:
    """tan(fov / 2) = (width / 2) / focal length. Raises ValueError."""
    if not 0 < horizontal_fov_deg < 180:
        raise ValueError(
            f'horizontal_fov_deg is {horizontal_fov_deg:g}; it must lie between 0 and 180.'
        )
    focal_px = width_px / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
    return Intrinsics.centered(width_px, height_px, focal_px)


def checked_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Raises ImageError for anything but an (H, W, 3) uint8 array with pixels."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageError(
            f'The image is a {image.dtype} array of shape {image.shape}; it must be uint8 RGB of '
            'shape (height, width, 3).'
        )
    return np.ascontiguousarray(image, np.uint8)


def rgb_of_file(path: Path) -> NDArray[np.uint8]:
    """Reads an image file as (H, W, 3) RGB. Raises ImageError."""
    bgr = read_image_file(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_image_file(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> NDArray[Any]:
    """Reads an image file as OpenCV decodes it. Raises ImageError."""
    if not path.is_file():
        raise ImageError(f'{path} is missing.')
    raw = path.read_bytes()
    try:
        if kind_of(raw):
            return decoded(raw, flags, max_file_pixels())
        # imdecode and not imread: the latter warns on stderr and cannot read every path. What
        # other formats claim is limited by OPENCV_IO_MAX_IMAGE_PIXELS (mtscene_ros/__init__.py).
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags) if raw else None
        if image is not None:
            check_size(image.shape[1], image.shape[0], max_file_pixels())
    except ImageError as error:
        raise ImageError(f'{path}: {error}') from None
    except cv2.error:
        image = None
    if image is None:
        raise ImageError(f'{path} is not an image that OpenCV can read; remove it or repair it.')
    return np.asarray(image)
