"""Reads points from PointCloud2 messages and projects them to sparse depth."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import project, relative
from mtscene_ros.datasets.moments import Moment
from mtscene_ros.types import Intrinsics

NEAR_PLANE_M = 0.5
MAX_GAP_NS = 50_000_000  # between an image and its points
KEPT_NS = 2 * 10**9  # longer than images wait for their truth
TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}


class CloudError(ValueError):
    """A PointCloud2 cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """One point cloud; points: (N, 3) in metres in its frame; at_ns: when it was recorded."""

    at_ns: int
    stamp_ns: int
    frame_id: str
    points: NDArray[np.float32]


class Clouds:
    """The latest point clouds of a recording."""

    def __init__(self) -> None:
        self._held: deque[Cloud] = deque()

    def add(self, message: Any, stamp_ns: int, at_ns: int, warn: Callable[[str], None]) -> None:
        """Adds a cloud, and reports clouds that cannot be used."""
        try:
            points = points_of(message)
        except (CloudError, KeyError, ValueError) as error:
            warn(str(error))
            return
        self._held.append(Cloud(at_ns, stamp_ns, message.header.frame_id, points))
        while at_ns - self._held[0].at_ns > KEPT_NS:
            self._held.popleft()

    def nearest(self, stamp_ns: int) -> Cloud | None:
        """In time; None where all are farther than MAX_GAP_NS."""
        best = min(self._held, key=lambda c: abs(c.stamp_ns - stamp_ns), default=None)
        return best if best and abs(best.stamp_ns - stamp_ns) <= MAX_GAP_NS else None


def points_of(cloud: Any) -> NDArray[np.float32]:
    """Returns the finite points, (N, 3) in metres in the cloud's frame. Raises CloudError."""
    fields = {f.name: f for f in cloud.fields}
    if not {'x', 'y', 'z'} <= fields.keys():
        raise CloudError(f'The point cloud has the fields {sorted(fields)}, not x, y and z.')
    order = '>' if cloud.is_bigendian else '<'
    dtype = np.dtype(
        {
            'names': ['x', 'y', 'z'],
            'formats': [order + TYPES[fields[name].datatype] for name in 'xyz'],
            'offsets': [fields[name].offset for name in 'xyz'],
            'itemsize': cloud.point_step,
        }
    )
    data = np.frombuffer(cloud.data, np.uint8)
    count, row = cloud.width * cloud.point_step, cloud.row_step
    if row < count or len(data) < row * cloud.height:
        raise CloudError(f'The point cloud has {len(data)} bytes for {cloud.height} x {row}.')
    rows = data[: row * cloud.height].reshape(cloud.height, row)
    packed = np.ascontiguousarray(rows[:, :count]).view(dtype)
    points = np.stack([packed[name].ravel().astype(np.float32) for name in 'xyz'], 1)
    return np.asarray(points[np.isfinite(points).all(1)], np.float32)


def sparse_depth(
    points: NDArray[np.float32], optical_from_lidar: NDArray[np.float64], camera: Intrinsics
) -> NDArray[np.float32]:
    """Projects (N, 3) points: returns (H, W) metres along optical z of the nearest point in each
    pixel, NaN where there is none."""
    depth_m = np.full((camera.height_px, camera.width_px), np.nan, np.float32)
    points_m = points @ optical_from_lidar[:3, :3].T + optical_from_lidar[:3, 3]
    points_m = points_m[points_m[:, 2] > NEAR_PLANE_M]
    points_m = points_m[np.argsort(-points_m[:, 2])]  # near points are written last
    u, v = np.rint(project(points_m, camera)).astype(np.int64).T
    inside = (u >= 0) & (u < camera.width_px) & (v >= 0) & (v < camera.height_px)
    depth_m[v[inside], u[inside]] = points_m[inside, 2]
    return depth_m


def lidar_depth(moment: Moment) -> NDArray[np.float32]:
    """Returns (H, W) metres along optical z of the nearest point in each pixel, else NaN."""
    camera = moment.intrinsics
    depth_m = np.full((camera.height_px, camera.width_px), np.nan, np.float32)
    if moment.points is None or moment.base_from_lidar is None:
        return depth_m
    optical_from_lidar = relative(moment.base_from_optical, moment.base_from_lidar)
    return sparse_depth(moment.points[:, :3], optical_from_lidar, camera)
