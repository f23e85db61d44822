"""Draws pictures for people: label overlay, boxes, coloured depth, bird's-eye view."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    EDGES,
    NEAR_PLANE_M,
    box_corners,
    matrix_from_quaternion,
    project,
)
from mtscene_ros.types import UNLABELED, Boxes3D, Intrinsics, LabelMap, Scene, SemanticClass

F64 = NDArray[np.float64]
Picture = NDArray[np.uint8]

LABEL_SHARE = 0.5  # weight of the label colour in an overlay
_FRONT = (0, 3, 7, 4)  # corners of the face that the box is heading with
_SUBPIXEL_BITS = 4
_NO_DEPTH_RGB = (128, 128, 128)
_GROUND_RGB, _GRID_RGB, _TEXT_RGB = (24, 27, 32), (52, 57, 66), (235, 237, 240)
_TRUTH_RGB, _TRUTH_FILL_RGB = (150, 156, 166), (78, 83, 92)
UNKNOWN_RGB = (96, 100, 108)


def overlay(scene: Scene) -> Picture:
    """Returns the image, (H, W, 3) RGB, with label colours and boxes where the scene has them."""
    picture, intrinsics = scene.frame.rgb, scene.frame.intrinsics
    labels, boxes = scene.results.get('semantic'), scene.results.get('boxes3d')
    if isinstance(labels, LabelMap):
        picture = blend_labels(resized(picture, labels.labels.shape), labels)
        intrinsics = scene.output_intrinsics or intrinsics
    if isinstance(boxes, Boxes3D) and intrinsics is not None:
        picture = draw_boxes(picture, boxes, intrinsics)
    return picture if picture is not scene.frame.rgb else picture.copy()


def shown_shape(shape: tuple[int, ...], width_px: int) -> tuple[int, int]:
    """Returns (height, width) of a picture of this shape that is width_px wide.

    It is at most twice as high as that: an image 2 px wide and 4000 px high would become huge.
    """
    height, width = shape[:2]
    scale = min(width_px / width, 2 * width_px / height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resized(rgb: Picture, shape: tuple[int, ...]) -> Picture:
    """Resizes to (height, width); returns the same array where it already has that size."""
    height, width = shape[:2]
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def palette(classes: tuple[SemanticClass, ...]) -> Picture:
    """Returns the colour of every label id; ids without a class are black.

    (256, 3), or (65536, 3) for more than 255 classes.
    """
    colors = np.zeros((256 if len(classes) <= UNLABELED else 1 << 16, 3), np.uint8)
    for c in classes:
        colors[c.id] = c.color_rgb
    return colors


def blend_labels(rgb: Picture, labels: LabelMap) -> Picture:
    """Returns a copy of the image with label colours; UNLABELED pixels stay as they are."""
    table = palette(labels.classes)
    if labels.labels.dtype == np.uint8:
        colors = cv2.applyColorMap(labels.labels, table[:, None])
    else:  # OpenCV has no look-up for these
        colors = table[labels.labels]
    mixed = np.asarray(cv2.addWeighted(rgb, 1 - LABEL_SHARE, colors, LABEL_SHARE, 0), np.uint8)
    unlabeled = (labels.labels == np.iinfo(labels.labels.dtype).max).view(np.uint8)
    cv2.copyTo(rgb, unlabeled, mixed)  # np.copyto takes 14 ms for 1080p
    return mixed


def draw_boxes(rgb: Picture, boxes: Boxes3D, intrinsics: Intrinsics) -> Picture:
    """Returns a copy of the image with each box's edges, class and distance, its front tinted."""
    picture = np.array(rgb, np.uint8)
    corners = _corners(boxes)
    edges = _edges(corners, intrinsics)
    width = max(1, round(picture.shape[0] / 300))
    tops_m = corners[:, 4:].mean(1)
    # What is not in front of the camera is projected from a point that is, and not drawn.
    is_whole, is_above = corners[..., 2].min(1) > NEAR_PLANE_M, tops_m[:, 2] > NEAR_PLANE_M
    fronts_px = project(np.where(is_whole[:, None, None], corners[:, _FRONT], 1.0), intrinsics)
    tops_px = project(np.where(is_above[:, None], tops_m, 1.0), intrinsics)
    far_first = np.argsort(-boxes.centers_m[:, 2])
    for i in far_first:
        color = bright(boxes.classes[boxes.class_ids[i]].color_rgb)
        if is_whole[i]:
            _tint(picture, fronts_px[i], color)
        for start, end in edges[i]:
            cv2.line(picture, start, end, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    for i in far_first:
        if is_above[i]:
            text = f'{boxes.classes[boxes.class_ids[i]].name} {boxes.centers_m[i, 2]:.0f} m'
            write_plate(picture, text, tops_px[i])
    return picture


def depth_rgb(depth_m: NDArray[np.float32], max_m: float) -> Picture:
    """Colours depth: near red, `max_m` and beyond dark blue, unknown (NaN) grey.

    depth_m: (H, W); the result is (H, W, 3) RGB. Colours follow the square root of depth, so that
    differences stay visible nearby.
    """
    known = np.nan_to_num(depth_m, nan=max_m, posinf=max_m, neginf=0)
    nearness = 1 - np.sqrt(np.clip(known / max_m, 0, 1))
    colors = cv2.applyColorMap(np.rint(255 * nearness).astype(np.uint8), cv2.COLORMAP_TURBO)
    picture = np.asarray(cv2.cvtColor(colors, cv2.COLOR_BGR2RGB), np.uint8)
    picture[np.isnan(depth_m)] = _NO_DEPTH_RGB
    return picture


def normals_rgb(normals: NDArray[np.float32]) -> Picture:
    """Colours (H, W, 3) unit vectors, one channel per axis; NaN becomes UNKNOWN_RGB."""
    unknown = ~np.isfinite(normals).all(2)
    picture = np.asarray(np.rint(127.5 + 127.5 * np.nan_to_num(normals)), np.uint8)
    picture[unknown] = UNKNOWN_RGB
    return picture


def birdseye(
    boxes: Boxes3D,
    truth: Boxes3D | None,
    size: tuple[int, int],
    max_m: float = 60.0,
    intrinsics: Intrinsics | None = None,
) -> Picture:
    """Draws boxes from above in a picture of `size` = (width, height) pixels.

    The camera is in the middle of the bottom edge and looks up; the top edge is `max_m` away.
    Boxes have the colour of their class, true boxes are filled grey; a line from the centre
    shows the heading.
    """
    width, height = size
    picture = np.full((height, width, 3), _GROUND_RGB, np.uint8)
    _grid(picture, max_m)
    if intrinsics is not None:
        _field_of_view(picture, intrinsics)
    for footprint in _footprints(truth, size, max_m):
        cv2.fillPoly(picture, [footprint[:4]], _TRUTH_FILL_RGB, cv2.LINE_AA, _SUBPIXEL_BITS)
        _outline(picture, footprint, _TRUTH_RGB, 1)
    for i, footprint in enumerate(_footprints(boxes, size, max_m)):
        _outline(picture, footprint, bright(boxes.classes[boxes.class_ids[i]].color_rgb), 2)
    return picture


def _corners(boxes: Boxes3D) -> F64:
    rotations = matrix_from_quaternion(boxes.quaternions_xyzw)
    return box_corners(boxes.centers_m, boxes.sizes_m, rotations)


def bright(color_rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Returns the colour at full brightness, a third of the way to white, to show on dark."""
    scale = 255 / max(1, *color_rgb)
    red, green, blue = (round(255 / 3 + c * scale * 2 / 3) for c in color_rgb)
    return red, green, blue


def _fixed(points_px: F64) -> NDArray[np.int32]:
    return np.asarray(np.rint(points_px * 2**_SUBPIXEL_BITS), np.int32)


def _edges(corners: F64, intrinsics: Intrinsics) -> list[list[list[list[int]]]]:
    """Returns start and end of the visible edges of each box in fixed-point pixels.

    corners: (N, 8, 3); what lies behind the near plane is cut off.
    """
    ends = corners[:, np.array(EDGES)]  # (N, 12, 2, 3)
    ends = np.take_along_axis(ends, np.argsort(ends[..., 2:], axis=2), 2)  # the nearer end first
    near, far = ends[..., 0, :], ends[..., 1, :]
    is_seen = far[..., 2] > NEAR_PLANE_M
    is_cut = is_seen & (near[..., 2] < NEAR_PLANE_M)
    missing = (NEAR_PLANE_M - near[is_cut, 2]) / (far[is_cut, 2] - near[is_cut, 2])
    near[is_cut] += (far - near)[is_cut] * missing[:, None]
    ends[~is_seen] = 1.0  # anything that can be projected
    pixels = _fixed(project(ends, intrinsics)).tolist()
    return [
        [edge for edge, is_drawn in zip(edges, drawn, strict=True) if is_drawn]
        for edges, drawn in zip(pixels, is_seen.tolist(), strict=True)
    ]


def _tint(picture: Picture, polygon_px: F64, color: tuple[int, int, int]) -> None:
    """Mixes the colour into a polygon; only the part of the picture around it is processed."""
    low = np.maximum(np.floor(polygon_px.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(polygon_px.max(0)).astype(int) + 2, picture.shape[1::-1])
    if (low >= high).any():
        return
    part = picture[low[1] : high[1], low[0] : high[0]]
    filled = part.copy()
    cv2.fillPoly(filled, [_fixed(polygon_px - low)], color, cv2.LINE_AA, _SUBPIXEL_BITS)
    part[:] = cv2.addWeighted(part, 0.6, filled, 0.4, 0)


def write_plate(picture: Picture, text: str, above_px: F64) -> None:
    """Writes white text on a dark plate, centred above a pixel but inside the picture."""
    scale = max(0.33, picture.shape[0] / 1100)
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = int(np.clip(above_px[0] - width / 2, 2, max(2, picture.shape[1] - width - 2)))
    y = int(np.clip(above_px[1] - base - 2, height + 2, picture.shape[0] - base - 2))
    plate = picture[y - height - 2 : y + base, x - 2 : x + width + 2]
    plate[:] = plate // 3
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _TEXT_RGB, 1, cv2.LINE_AA)


def _grid(picture: Picture, max_m: float) -> None:
    """Draws a line every 10 m, with the distances on the left."""
    height, width = picture.shape[:2]
    px_per_m = height / max_m
    for distance_m in range(10, int(max_m) + 1, 10):
        y = round(height - distance_m * px_per_m)
        cv2.line(picture, (0, y), (width, y), _GRID_RGB, 1)
        write_plate(picture, f'{distance_m} m', np.array([16.0, y + 14.0]))
    for x_m in np.arange(0, width / 2 / px_per_m, 10):
        for x in {round(width / 2 - x_m * px_per_m), round(width / 2 + x_m * px_per_m)}:
            cv2.line(picture, (x, 0), (x, height), _GRID_RGB, 1)


def _field_of_view(picture: Picture, intrinsics: Intrinsics) -> None:
    height, width = picture.shape[:2]
    for u in (-0.5, intrinsics.width_px - 0.5):
        slope = (u - intrinsics.cx_px) / intrinsics.fx_px
        end = _fixed(np.array([width / 2 + slope * height, 0.0])).tolist()
        start = _fixed(np.array([width / 2, float(height)])).tolist()
        cv2.line(picture, start, end, (92, 100, 114), 1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _footprints(boxes: Boxes3D | None, size: tuple[int, int], max_m: float) -> NDArray[np.int32]:
    """Returns (N, 6, 2) fixed-point pixels: four ground corners, centre, tip of the heading."""
    if boxes is None or len(boxes) == 0:
        return np.zeros((0, 6, 2), np.int32)
    ground = _corners(boxes)[:, :4]
    center, front = ground.mean(1, keepdims=True), ground[:, [0, 3]].mean(1, keepdims=True)
    points_m = np.concatenate([ground, center, 1.5 * front - 0.5 * center], 1)
    px_per_m = size[1] / max_m
    u = size[0] / 2 + points_m[..., 0] * px_per_m
    return _fixed(np.stack([u, size[1] - points_m[..., 2] * px_per_m], -1))


def _outline(
    picture: Picture, footprint: NDArray[np.int32], color: tuple[int, int, int], width: int
) -> None:
    cv2.polylines(picture, [footprint[:4]], True, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    start, end = footprint[4:].tolist()
    cv2.line(picture, start, end, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
