"""Draws prediction, truth and error of one task; all pictures of one image have the same size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import (
    UNKNOWN_RGB,
    birdseye,
    blend_labels,
    depth_rgb,
    draw_boxes,
    normals_rgb,
    resized,
    shown_shape,
)
from mtscene_ros.report.html import data_uri
from mtscene_ros.types import (
    UNLABELED,
    Boxes3D,
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
)

Picture = NDArray[np.uint8]

WRONG_RGB = 230, 57, 48
DEPTH_ERROR_RGB = (250, 250, 250), (190, 24, 32), (28, 78, 190)  # equal, too far, too near
DEPTH_ERROR_END = 0.3  # relative error at the ends of the colour scale
NORMAL_ERROR_END_DEG = 60.0
QUALITY = 80  # of JPEG, so that a page with many pictures stays below 15 MB
SPARSE = 0.25  # below this share of known pixels, depth is drawn as dots that can be seen


@dataclass(frozen=True, slots=True, eq=False)
class PictureStyle:
    """Settings that the pictures of one page share."""

    width_px: int
    depth_max_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Pictures (H, W, 3) RGB of one task; truth and error are None if there is no truth.

    colors, error_is: what the colours of prediction and error mean, '' if that is obvious.
    """

    prediction: Picture
    truth: Picture | None = None
    error: Picture | None = None
    error_is: str = ''
    colors: str = ''

    def named(self) -> list[tuple[Picture, str]]:
        """Returns the pictures, each with its caption."""
        caption = f'prediction ({self.colors})' if self.colors else 'prediction'
        pairs = (self.prediction, caption), (self.truth, 'truth'), (self.error, self.error_is)
        return [(picture, name) for picture, name in pairs if picture is not None]


def camera_view(frame: CameraFrame, look: PictureStyle) -> Picture:
    return resized(frame.rgb, shape_of(frame, look))


def views_of(
    task: str,
    frame: CameraFrame,
    results: Mapping[str, Result],
    truth: Mapping[str, Result],
    look: PictureStyle,
) -> Views | None:
    """Draws the pictures of one task; None if it has no result or no way to draw it."""
    result, true = results.get(task), truth.get(task)
    rgb = camera_view(frame, look)
    if isinstance(result, LabelMap):
        return _labels(rgb, result, true if isinstance(true, LabelMap) else None)
    if isinstance(result, DepthMap):
        return _depth(rgb, result, true if isinstance(true, DepthMap) else None, look)
    if isinstance(result, NormalMap):
        return _normals(rgb, result, true if isinstance(true, NormalMap) else None)
    if isinstance(result, ProbabilityMap):
        return _probability(rgb, result, true if isinstance(true, ProbabilityMap) else None)
    if isinstance(result, Boxes3D) and frame.intrinsics is not None:
        camera = frame.intrinsics.resized(rgb.shape[1], rgb.shape[0])
        return _boxes(rgb, result, true if isinstance(true, Boxes3D) else None, camera, look)
    return None


def encoded(picture: Picture) -> str:
    """Encodes a picture as a data URI."""
    return data_uri(picture, 'jpg', QUALITY)


def shape_of(frame: CameraFrame, look: PictureStyle) -> tuple[int, int]:
    """Returns (height, width) of the pictures of this frame."""
    return shown_shape(frame.rgb.shape, look.width_px)


def _same_size(values: NDArray[Any], rgb: Picture) -> NDArray[Any]:
    """Resizes a map to the size of the picture by nearest neighbour, so values do not mix."""
    size = rgb.shape[1], rgb.shape[0]
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT))


# -- one function per kind of result -------------------------------------------------------------


def _labels(rgb: Picture, result: LabelMap, true: LabelMap | None) -> Views:
    mine = _labels_to(rgb, result)
    if true is None:
        return Views(blend_labels(rgb, mine))
    real = _labels_to(rgb, true)
    error = _dimmed(rgb)
    known = real.labels != UNLABELED
    error[known & (mine.labels != real.labels)] = WRONG_RGB
    error[~known] = UNKNOWN_RGB
    pictures = blend_labels(rgb, mine), blend_labels(rgb, real), error
    return Views(*pictures, 'error (red: wrong, grey: no truth)')


def _labels_to(rgb: Picture, labels: LabelMap) -> LabelMap:
    sized = np.minimum(_same_size(labels.labels, rgb), UNLABELED).astype(np.uint8)
    return LabelMap(sized, np.full_like(sized, 255), labels.classes)


def _depth(rgb: Picture, result: DepthMap, true: DepthMap | None, look: PictureStyle) -> Views:
    mine = np.asarray(_same_size(result.depth_m, rgb), np.float32)
    prediction = depth_rgb(mine, look.depth_max_m)
    colors = f'red: near, dark blue: {look.depth_max_m:.0f} m and more'
    if true is None:
        return Views(prediction, colors=colors)
    real = _sparse_to(true.depth_m, rgb)
    error = depth_error_rgb(mine, real)
    end = f'{100 * DEPTH_ERROR_END:.0f} %'
    caption = f'error (blue: {end} too near, red: {end} too far, grey: no truth)'
    return Views(prediction, depth_rgb(real, look.depth_max_m), error, caption, colors)


def depth_error_rgb(depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> Picture:
    """Colours the error of (H, W) metres: white is right, blue too near, red too far.

    Pixels are UNKNOWN_RGB where either is unknown.
    """
    known = np.isfinite(depth_m) & np.isfinite(truth_m) & (truth_m > 0)
    relative = np.zeros(depth_m.shape, np.float32)
    relative[known] = depth_m[known] / truth_m[known] - 1
    far = np.clip(relative / DEPTH_ERROR_END, -1, 1)[..., None]
    white, red, blue = (np.array(c, np.float32) for c in DEPTH_ERROR_RGB)
    picture = white + np.maximum(far, 0) * (red - white) + np.maximum(-far, 0) * (blue - white)
    picture[~known] = UNKNOWN_RGB
    return np.asarray(np.rint(picture), np.uint8)


def _sparse_to(truth_m: NDArray[np.float32], rgb: Picture) -> NDArray[np.float32]:
    """Resizes (H, W) truth to the size of the picture.

    The few points of a LiDAR become dots; where several coincide, the nearest is drawn.
    """
    known = np.isfinite(truth_m) & (truth_m > 0)
    if known.mean() >= SPARSE:
        return np.asarray(_same_size(truth_m, rgb), np.float32)
    height, width = rgb.shape[:2]
    rows, columns = np.nonzero(known)
    at = rows * height // truth_m.shape[0] * width + columns * width // truth_m.shape[1]
    nearest = np.full(height * width, np.inf, np.float32)
    np.minimum.at(nearest, at, truth_m[rows, columns])
    dots = cv2.erode(nearest.reshape(height, width), np.ones((3, 3), np.uint8))
    dots[np.isinf(dots)] = np.nan
    return np.asarray(dots, np.float32)


def _normals(rgb: Picture, result: NormalMap, true: NormalMap | None) -> Views:
    mine = np.asarray(_same_size(result.normals, rgb), np.float32)
    if true is None:
        return Views(normals_rgb(mine))
    real = np.asarray(_same_size(true.normals, rgb), np.float32)
    angle_deg = np.rad2deg(np.arccos(np.clip((mine * real).sum(2), -1, 1)))
    caption = f'error (black: 0°, yellow: {NORMAL_ERROR_END_DEG:.0f}°, grey: no truth)'
    error = _heat(angle_deg / NORMAL_ERROR_END_DEG)
    return Views(normals_rgb(mine), normals_rgb(real), error, caption)


def _probability(rgb: Picture, result: ProbabilityMap, true: ProbabilityMap | None) -> Views:
    mine = np.asarray(_same_size(result.probability, rgb), np.float32)
    if true is None:
        return Views(_grey(mine))
    real = np.asarray(_same_size(true.probability, rgb), np.float32)
    error = _heat(abs(mine - real))
    return Views(_grey(mine), _grey(real), error, 'error (black: right, yellow: wrong)')


def _boxes(
    rgb: Picture, result: Boxes3D, true: Boxes3D | None, camera: Intrinsics, look: PictureStyle
) -> Views:
    range_m = min(60.0, look.depth_max_m)
    above = birdseye(result, true, (rgb.shape[1], rgb.shape[0]), range_m, camera)
    truth = draw_boxes(rgb, true, camera) if true is not None else None
    caption = "bird's-eye view" + (' (truth: filled grey)' if true is not None else '')
    return Views(draw_boxes(rgb, result, camera), truth, above, caption)


def _grey(share: NDArray[np.float32]) -> Picture:
    return np.repeat(np.rint(255 * np.nan_to_num(share)).astype(np.uint8)[..., None], 3, 2)


def _heat(share: NDArray[np.float32]) -> Picture:
    """Colours (H, W) from 0, black, to 1, yellow; NaN becomes UNKNOWN_RGB."""
    level = np.rint(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)
    bgr = np.asarray(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), np.uint8)
    picture = bgr[..., ::-1].copy()
    picture[np.isnan(share)] = UNKNOWN_RGB
    return picture


def _dimmed(rgb: Picture) -> Picture:
    """Returns the image in dark grey, as a background for colours."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) // 2 + 20
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, 2)
