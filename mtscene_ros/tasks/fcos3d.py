"""3D boxes of TaskPrompter's published head (Cityscapes-3D): top k, bird's-eye NMS, angles.

The head is FCOS3D's (Wang et al., ICCV workshops 2021) with the three angles and the 2D box of
TaskPrompter (Ye and Xu, ICLR 2023). The graph holds the part that needs every cell (sigmoid,
strides, angle bins); the sparse rest is here, in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, quaternion_from_matrix, unproject
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options, classes_from_options
from mtscene_ros.tasks.depth import camera_scale
from mtscene_ros.types import Boxes3D, CameraFrame, SemanticClass

OUTPUTS = ('boxes3d_scores', 'boxes3d_code')
NEEDS_INTRINSICS = True
PER_LEVEL = 1000  # best cells of each level that are decoded
MAX_IOU = 0.3  # in the bird's-eye view, within a class
# Columns: x forward, y left, z up of a box whose published rotation is the identity.
OPTICAL_FROM_UPRIGHT = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelGrid:
    """Cells of one level of the pyramid; stride_px in network pixels."""

    height: int
    width: int
    stride_px: float

    def points_px(self) -> F64:
        """Returns u, v of the cells, (h w, 2); the authors floor half of the fractional stride."""
        v, u = np.indices((self.height, self.width)).reshape(2, -1) * self.stride_px
        return np.stack([u, v], 1) + self.stride_px // 2


@dataclass(frozen=True, slots=True)
class Fcos3dOptions:
    """Options of the decoder; focal_px: of the training camera at network size."""

    classes: tuple[SemanticClass, ...]
    levels: tuple[LevelGrid, ...]
    focal_px: float
    min_score: float
    max_boxes: int


@dataclass(frozen=True, slots=True, eq=False)
class PublishedBoxes:
    """N boxes in the head's own representation, ordered by class and score, or by score alone
    where max_boxes cut some off.

    uv_px (N, 2): projected centres and bbox2d_px (N, 4): x1 y1 x2 y2, in network pixels;
    centers_m (N, 3), optical frame; sizes_m (N, 3): length, width, height; angles_rad (N, 3).
    """

    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    uv_px: F64
    centers_m: F64
    sizes_m: F64
    angles_rad: F64
    bbox2d_px: F64


def decoder(
    options: Options,
) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], Boxes3D]:
    """Returns the function that decodes one image.

    options: {code: 'fcos3d', classes, levels: [[height, width, stride_px], ...], focal_px,
    min_score, max_boxes}. Raises ValueError for another code.
    """
    if options['code'] != 'fcos3d':
        raise ValueError(f'box code {options["code"]!r} is not "fcos3d"')
    known = Fcos3dOptions(
        classes_from_options(options),
        tuple(LevelGrid(int(h), int(w), float(stride)) for h, w, stride in options['levels']),
        float(options['focal_px']),
        float(options['min_score']),
        int(options['max_boxes']),
    )

    def decode(
        outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, frame: CameraFrame
    ) -> Boxes3D:
        scores, code = (outputs[name] for name in OUTPUTS)
        found = published_boxes(scores, code, known, letterbox, frame)
        return proper_boxes(found, known.classes)

    return decode


def published_boxes(
    scores: NDArray[np.float32],
    code: NDArray[np.float32],
    options: Fcos3dOptions,
    letterbox: Letterbox,
    frame: CameraFrame,
) -> PublishedBoxes:
    """Decodes one image into boxes as the authors' code has them.

    scores: (C, N), class times centerness; code: (13, N); both over the cells of all levels,
    finest first: offset u, v from the centre to the cell (px), depth (m), length, width, height
    (m), three angles (rad), left, top, right, bottom (px).
    """
    assert frame.intrinsics is not None, 'the estimator skips uncalibrated cameras'
    cells = best_cells(scores.max(0), options.levels)
    points_px = np.concatenate([level.points_px() for level in options.levels])[cells]
    values, cell_scores = code[:, cells].T.astype(np.float64), scores[:, cells]
    uv_px = points_px - values[:, :2]
    depth_m = values[:, 2] * camera_scale(frame, letterbox, options.focal_px)
    centers_m = unproject(letterbox.points_to_camera(uv_px), depth_m, frame.intrinsics)
    flat = np.concatenate([centers_m[:, [0, 2]], values[:, [4, 3, 8]]], 1)  # x z width length yaw
    class_ids, kept = suppress_by_class(flat, cell_scores, options)
    bounds_px = np.array([letterbox.network_width_px, letterbox.network_height_px] * 2)
    sides_px = points_px[:, [0, 1, 0, 1]] + values[:, 9:13] * [-1, -1, 1, 1]
    return PublishedBoxes(
        class_ids,
        cell_scores[class_ids, kept],
        uv_px[kept],
        centers_m[kept],
        values[kept, 3:6],
        values[kept, 6:9],
        np.clip(sides_px, 0, bounds_px)[kept],
    )


def best_cells(
    cell_scores: NDArray[np.float32], levels: tuple[LevelGrid, ...]
) -> NDArray[np.int64]:
    """Returns the indices of the PER_LEVEL best cells of each level."""
    found, first = [], 0
    for level in levels:
        count = level.height * level.width
        order = np.argsort(-cell_scores[first : first + count], kind='stable')
        found.append(first + order[:PER_LEVEL])
        first += count
    return np.concatenate(found)


def suppress_by_class(
    flat: F64, scores: NDArray[np.float32], options: Fcos3dOptions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns classes and indices of the boxes that NMS within each class keeps.

    flat: (N, 5) bird's-eye rectangles; scores: (C, N).
    """
    classes, kept = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for class_id, of_class in enumerate(scores):
        above = np.flatnonzero(of_class > options.min_score)
        above = above[np.argsort(-of_class[above], kind='stable')]
        stays = above[greedy_nms(flat[above], MAX_IOU)]
        classes.append(np.full(len(stays), class_id))
        kept.append(stays)
    class_ids, index = np.concatenate(classes), np.concatenate(kept)
    if len(index) > options.max_boxes:
        best = np.argsort(-scores[class_ids, index], kind='stable')[: options.max_boxes]
        class_ids, index = class_ids[best], index[best]
    return class_ids, index


def greedy_nms(flat: F64, max_iou: float) -> NDArray[np.int64]:
    """Returns the indices of the rectangles that no better one overlaps by more than max_iou.

    flat: (N, 5), best first.
    """
    alive, kept = np.arange(len(flat)), []
    reach = np.hypot(flat[:, 2], flat[:, 3]) / 2
    while len(alive):
        best, rest = alive[0], alive[1:]
        kept.append(best)
        gap = np.hypot(*(flat[rest, :2] - flat[best, :2]).T)
        near = gap < reach[rest] + reach[best]
        overlap = np.zeros(len(rest))
        overlap[near] = rotated_iou(np.broadcast_to(flat[best], (near.sum(), 5)), flat[rest[near]])
        alive = rest[overlap <= max_iou]
    return np.array(kept, np.int64)


def rotated_iou(a: F64, b: F64) -> F64:
    """Returns the IoU, (M,), of M pairs of rectangles.

    a, b: (M, 5) with x, z, extent along x, extent along z, angle. The overlap's corners are the
    corners of one rectangle inside the other and the crossings of edges; ordered around their
    mean, they give the area by the shoelace formula.
    """
    corners_a, corners_b = rectangle_corners(a), rectangle_corners(b)
    crossings, cross = edge_crossings(corners_a, corners_b)
    points = np.concatenate([corners_a, corners_b, crossings], 1)  # (M, 24, 2)
    valid = np.concatenate([inside(corners_a, b), inside(corners_b, a), cross], 1)
    count = valid.sum(1)
    mean = (points * valid[..., None]).sum(1) / np.maximum(count, 1)[:, None]
    around = np.where(valid[..., None], points - mean[:, None], 0.0)
    first = around[np.arange(len(a)), valid.argmax(1)] if len(a) else np.empty((0, 2))
    around = np.where(valid[..., None], around, first[:, None])  # repeats change no area
    order = np.argsort(np.arctan2(around[..., 1], around[..., 0]), 1)
    x, z = np.moveaxis(np.take_along_axis(around, order[..., None], 1), 2, 0)
    area = np.abs((x * np.roll(z, -1, 1) - z * np.roll(x, -1, 1)).sum(1)) / 2
    area = np.where(count > 2, area, 0.0)
    union = a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - area
    return np.asarray(area / np.maximum(union, 1e-8))


def rectangle_corners(flat: F64) -> F64:
    """Returns the corners of (M, 5) rectangles, (M, 4, 2), in order around each.

    x' = dx cos + dz sin, z' = -dx sin + dz cos.
    """
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    dx, dz = np.moveaxis(signs * flat[:, None, 2:4], 2, 0)
    cos, sin = np.cos(flat[:, 4:]), np.sin(flat[:, 4:])
    return np.stack([dx * cos + dz * sin, dz * cos - dx * sin], 2) + flat[:, None, :2]


def inside(points: F64, flat: F64) -> NDArray[np.bool_]:
    """Returns, as (M, K), which of the (M, K, 2) points lie in their (M, 5) rectangles."""
    x, z = np.moveaxis(points - flat[:, None, :2], 2, 0)
    cos, sin = np.cos(flat[:, 4:]), np.sin(flat[:, 4:])
    along, across = np.abs(x * cos - z * sin), np.abs(x * sin + z * cos)
    half = flat[:, None, 2:4] / 2 + 1e-9
    return np.asarray((along <= half[..., 0]) & (across <= half[..., 1]))


def edge_crossings(a: F64, b: F64) -> tuple[F64, NDArray[np.bool_]]:
    """Takes (M, 4, 2) corners; returns the edges' crossings (M, 16, 2) and which exist (M, 16)."""
    along_a = np.roll(a, -1, 1)[:, :, None] - a[:, :, None]
    along_b = np.roll(b, -1, 1)[:, None] - b[:, None]
    between = b[:, None] - a[:, :, None]  # (M, 4, 4, 2)
    turn = cross_product(along_a, along_b)
    parallel = np.abs(turn) < 1e-12
    turn = np.where(parallel, 1.0, turn)
    t = cross_product(between, along_b) / turn
    s = cross_product(between, along_a) / turn
    real = ~parallel & (t >= 0) & (t <= 1) & (s >= 0) & (s <= 1)
    points = a[:, :, None] + t[..., None] * along_a
    return points.reshape(len(a), 16, 2), real.reshape(len(a), 16)


def cross_product(a: F64, b: F64) -> F64:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def proper_boxes(found: PublishedBoxes, classes: tuple[SemanticClass, ...]) -> Boxes3D:
    """Converts boxes into our representation, best score first, with repaired angle bins."""
    quaternions = quaternions_from_angles(snapped(found.angles_rad))
    boxes = Boxes3D(
        found.class_ids, found.scores, found.centers_m, found.sizes_m, quaternions, classes
    )
    return boxes.select(np.argsort(-found.scores, kind='stable'))


def snapped(angles_rad: F64) -> F64:
    """Undoes wrong direction bins: moves the first angle to within pi/2 of pi, the second of 0.

    Both lie on the border of their two bins for upright objects, and a wrong bin turns a box
    upside down (docs/network-specification.md, section 4.2). What remains of them is the
    small tilt; the third angle stays.
    """
    tilt = angles_rad[:, :2] - np.round(angles_rad[:, :2] / np.pi) * np.pi
    return np.concatenate([tilt + np.array([np.pi, 0.0]), angles_rad[:, 2:]], 1)


def quaternions_from_angles(angles_rad: F64) -> F64:
    """Converts (N, 3) published angles into (N, 4) unit quaternions x, y, z, w, optical_from_box.

    The authors' loader hands SciPy's as_euler('ZXY') a quaternion w, x, y, z where it expects x,
    y, z, w, and decoding mixes them up the same way; hence the shift of components.
    """
    a, b, c = np.asarray(angles_rad, np.float64).T / 2
    ca, sa, cb, sb, cc, sc = np.cos(a), np.sin(a), np.cos(b), np.sin(b), np.cos(c), np.sin(c)
    w, x, y, z = (  # components x, y, z, w of the product q_z(a) q_x(b) q_y(c)
        ca * sb * cc - sa * cb * sc,
        ca * cb * sc + sa * sb * cc,
        sa * cb * cc + ca * sb * sc,
        ca * cb * cc - sa * sb * sc,
    )
    rotation = matrix_from_quaternion(np.stack([x, y, z, w], 1))
    return quaternion_from_matrix(rotation @ OPTICAL_FROM_UPRIGHT)


def angles_from_quaternions(quaternions_xyzw: F64) -> F64:
    """Inverts quaternions_from_angles: (N, 4) optical_from_box → (N, 3) angles in rad."""
    rotation = matrix_from_quaternion(quaternions_xyzw) @ OPTICAL_FROM_UPRIGHT.T
    x, y, z, w = quaternion_from_matrix(rotation).T
    m = matrix_from_quaternion(np.stack([w, x, y, z], 1))  # R_z(a) R_x(b) R_y(c)
    first = np.arctan2(-m[:, 0, 1], m[:, 1, 1])
    second = np.arcsin(np.clip(m[:, 2, 1], -1, 1))
    return np.stack([first, second, np.arctan2(-m[:, 2, 0], m[:, 2, 2])], 1)
