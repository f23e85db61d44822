"""Poses and projections: rotations, quaternions (x, y, z, w), box corners, pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Boxes3D, Intrinsics

F64 = NDArray[np.float64]

# The corners of a box in units of half its size: the bottom four first, counter-clockwise from the
# front left as seen from above.
CORNER_SIGNS = np.array(
    [
        [1, 1, -1],
        [-1, 1, -1],
        [-1, -1, -1],
        [1, -1, -1],
        [1, 1, 1],
        [-1, 1, 1],
        [-1, -1, 1],
        [1, -1, 1],
    ],
    np.float64,
)
NEAR_PLANE_M = 0.3  # nothing nearer is projected, as points behind the camera would be mirrored
EDGES = tuple((i, (i + 1) % 4 + i // 4 * 4) for i in range(8)) + tuple(
    (i, i + 4) for i in range(4)
)


def optical_from_level_box(yaw_rad: F64) -> F64:
    """Returns the rotations of upright boxes, (N, 3, 3), optical_from_box.

    yaw_rad: (N,) heading about the optical y axis (KITTI's rotation_y).
    """
    yaw = np.asarray(yaw_rad, np.float64)
    cos, sin, zero, one = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    rows = [[cos, sin, zero], [zero, zero, -one], [-sin, cos, zero]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def yaw_of_box(optical_from_box: F64) -> F64:
    """Returns the heading about the optical y axis in [-pi, pi], (N,), of (N, 3, 3) rotations."""
    return np.asarray(np.arctan2(-optical_from_box[..., 2, 0], optical_from_box[..., 0, 0]))


def quaternion_from_matrix(rotation: F64) -> F64:
    """Converts (N, 3, 3) rotations into (N, 4) unit quaternions x, y, z, w with w >= 0.

    Shepperd, Quaternion from Rotation Matrix, 1978.
    """
    m = np.asarray(rotation, np.float64).reshape(-1, 3, 3)
    trace = np.trace(m, axis1=1, axis2=2)
    xx, yy, zz = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    squares = np.stack(
        [1 + 2 * xx - trace, 1 + 2 * yy - trace, 1 + 2 * zz - trace, 1 + trace], 1
    )  # 4 q_i^2
    skew = np.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], 1)
    products = np.zeros((len(m), 4, 4))  # 4 q_i q_j
    products[:, :3, :3] = m + m.transpose(0, 2, 1)
    products[:, :3, 3] = products[:, 3, :3] = skew
    np.einsum('nii->ni', products)[:] = squares
    largest = squares.argmax(1)  # dividing by the largest component loses no digits
    quaternion = products[np.arange(len(m)), largest]
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    quaternion *= np.where(quaternion[:, 3:] < 0, -1.0, 1.0)
    return np.asarray(quaternion.reshape(*np.shape(rotation)[:-2], 4))


def matrix_from_quaternion(quaternions_xyzw: F64) -> F64:
    """Converts (N, 4) unit quaternions x, y, z, w into (N, 3, 3) rotations."""
    x, y, z, w = np.moveaxis(np.asarray(quaternions_xyzw, np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def box_corners(centers_m: F64, sizes_m: F64, optical_from_box: F64) -> F64:
    """Returns the corners of boxes, (N, 8, 3) in metres, in the order of CORNER_SIGNS.

    centers_m: (N, 3); sizes_m: (N, 3) length, width, height; optical_from_box: (N, 3, 3).
    """
    corners_box = CORNER_SIGNS * (np.asarray(sizes_m)[:, None, :] / 2)
    corners_optical = np.einsum('nij,nkj->nki', optical_from_box, corners_box)
    return np.asarray(corners_optical + np.asarray(centers_m)[:, None, :])


def moved(boxes: Boxes3D, target_from_source: F64) -> Boxes3D:
    """Returns the same boxes in another frame; target_from_source: (4, 4) rigid transform."""
    rotation, offset_m = target_from_source[:3, :3], target_from_source[:3, 3]
    turned = rotation @ matrix_from_quaternion(boxes.quaternions_xyzw)
    return replace(
        boxes,
        centers_m=boxes.centers_m @ rotation.T + offset_m,
        quaternions_xyzw=quaternion_from_matrix(turned),
    )


def relative(common_from_a: F64, common_from_b: F64) -> F64:
    """Returns a_from_b, (4, 4), of two (4, 4) poses in a common frame."""
    return np.asarray(np.linalg.solve(common_from_a, common_from_b), np.float64)


def rectangles_in_image(boxes: Boxes3D, intrinsics: Intrinsics) -> tuple[F64, NDArray[np.bool_]]:
    """Returns the rectangles around the visible parts of boxes, and which boxes are visible.

    The rectangles are (N, 4) left, top, right, bottom in pixels, clipped to the image; edges are
    cut off at NEAR_PLANE_M in front of the camera. The second array is (N,) bool.
    """
    corners = box_corners(
        boxes.centers_m, boxes.sizes_m, matrix_from_quaternion(boxes.quaternions_xyzw)
    )
    found = np.zeros((len(boxes), 4))
    for i, box in enumerate(corners):
        seen = in_front(box)
        if len(seen):
            uv_px = project(seen, intrinsics)
            found[i] = [*uv_px.min(0), *uv_px.max(0)]
    size = np.array([intrinsics.width_px, intrinsics.height_px] * 2) - 0.5
    clipped = np.clip(found, -0.5, size)
    visible = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    return clipped, np.asarray(visible)


def in_front(corners_m: F64) -> F64:
    """Returns the corners of a box, and the points of its edges, at NEAR_PLANE_M or beyond.

    corners_m: (8, 3); the result is (K, 3).
    """
    points = [corner for corner in corners_m if corner[2] >= NEAR_PLANE_M]
    for a, b in EDGES:
        near, far = sorted((corners_m[a], corners_m[b]), key=lambda p: float(p[2]))
        if near[2] < NEAR_PLANE_M < far[2]:
            points.append(near + (far - near) * (NEAR_PLANE_M - near[2]) / (far[2] - near[2]))
    return np.array(points).reshape(-1, 3)


def intrinsics_from_matrix(matrix: F64, width_px: int, height_px: int) -> Intrinsics:
    """Returns the intrinsics of a (3, 3) camera matrix in pixels."""
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return Intrinsics(width_px, height_px, fx, fy, cx, cy)


def project(points_m: F64, intrinsics: Intrinsics) -> F64:
    """Projects (..., 3) points in front of the camera to (..., 2) pixels u, v."""
    x, y, z = np.moveaxis(np.asarray(points_m, np.float64), -1, 0)
    u = intrinsics.fx_px * x / z + intrinsics.cx_px
    v = intrinsics.fy_px * y / z + intrinsics.cy_px
    return np.stack([u, v], -1)


def unproject(uv_px: F64, depth_m: F64, intrinsics: Intrinsics) -> F64:
    """Returns the (..., 3) points of (..., 2) pixels at (...) depth along z in metres."""
    u, v = np.moveaxis(np.asarray(uv_px, np.float64), -1, 0)
    x = (u - intrinsics.cx_px) / intrinsics.fx_px * depth_m
    y = (v - intrinsics.cy_px) / intrinsics.fy_px * depth_m
    return np.stack([x, y, np.asarray(depth_m, np.float64)], -1)
