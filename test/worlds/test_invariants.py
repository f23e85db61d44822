"""Invariants of every generated world, whatever it contains."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import box_corners, matrix_from_quaternion, project, unproject
from mtscene_ros.worlds import FRAMES, SEQUENCES
from mtscene_ros.worlds.frame import FIRST_STAMP_NS, WorldFrame

WIDTH, HEIGHT = 160, 120


@pytest.fixture(scope='module', params=sorted(FRAMES))
def frames(request: pytest.FixtureRequest) -> list[WorldFrame]:
    return [FRAMES[request.param](5, i, WIDTH, HEIGHT) for i in range(48)]


def points_of(frame: WorldFrame, depth_m: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns (H, W, 3) points in the optical frame."""
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    uv = np.stack([u, v], -1).reshape(-1, 2).astype(np.float64)
    points = unproject(uv, depth_m.ravel().astype(np.float64), frame.intrinsics)
    return points.reshape(HEIGHT, WIDTH, 3)


def test_masks_fill_boxes_that_are_neither_occluded_nor_truncated(
    frames: list[WorldFrame],
) -> None:
    overlaps = []
    for frame in frames:
        boxes, rotations = frame.boxes, matrix_from_quaternion(frame.boxes.quaternions_xyzw)
        corners = box_corners(boxes.centers_m, boxes.sizes_m, rotations)
        for k in np.flatnonzero((frame.visible > 0.99) & (frame.truncated == 0)):
            seen = np.argwhere(frame.instances == k + 1)[:, ::-1]
            box = project(corners[k], frame.intrinsics)
            overlaps.append(np.prod(np.ptp(seen, 0) + 1) / np.prod(np.ptp(box, 0) + 1))
    assert len(overlaps) > 3
    assert max(overlaps) <= 1.001
    assert np.median(overlaps) > 0.6  # the corners of a box may be empty


def test_depth_gradients_agree_with_the_normals(frames: list[WorldFrame]) -> None:
    angles_deg = []
    for frame in frames:
        points = points_of(frame, np.minimum(frame.depth_m, 1e3))
        across = points[1:-1, 2:] - points[1:-1, :-2]
        down = points[2:, 1:-1] - points[:-2, 1:-1]
        found = -np.cross(across, down)
        found /= np.linalg.norm(found, axis=2, keepdims=True)
        middle = frame.normals[1:-1, 1:-1]
        flat = np.min([(middle * n).sum(2) for n in around(frame.normals)], 0) > 0.9999
        flat &= (frame.depth_m[1:-1, 1:-1] < 100) & one_object(frame)
        angles_deg += np.rad2deg(np.arccos(np.clip((found * middle).sum(2)[flat], -1, 1))).tolist()
    assert len(angles_deg) > 0.3 * len(frames) * WIDTH * HEIGHT
    # the remaining pixels lie on edges between surfaces
    assert np.quantile(angles_deg, 0.95) < 0.5


def one_object(frame: WorldFrame) -> NDArray[np.bool_]:
    """Returns (H - 2, W - 2): true where all neighbours have the same class and instance."""
    ids = frame.labels.astype(np.int64) << 16 | frame.instances
    return np.asarray(np.all([a == ids[1:-1, 1:-1] for a in around(ids)], 0))


def around(image: NDArray[Any]) -> list[NDArray[Any]]:
    """Returns the neighbours of every inner pixel, the pixel itself included."""
    return [image[i : HEIGHT - 2 + i, j : WIDTH - 2 + j] for i in range(3) for j in range(3)]


def test_points_of_an_object_lie_in_its_box(frames: list[WorldFrame]) -> None:
    for frame in frames:
        points = points_of(frame, np.minimum(frame.depth_m, 1e3))
        for k, rotation in enumerate(matrix_from_quaternion(frame.boxes.quaternions_xyzw)):
            local = (points[frame.instances == k + 1] - frame.boxes.centers_m[k]) @ rotation
            assert (np.abs(local) <= frame.boxes.sizes_m[k] / 2 + 0.01).all()


def test_labels_belong_to_the_world_and_body_parts_to_persons(frames: list[WorldFrame]) -> None:
    for frame in frames:
        assert frame.labels.max() < len(frame.classes)
        if frame.human_parts is not None:
            person = [c.id for c in frame.classes if c.name == 'person']
            np.testing.assert_array_equal(frame.human_parts > 0, frame.labels == person)


@pytest.mark.parametrize('name', sorted(SEQUENCES))
def test_sequences_repeat_and_move(name: str) -> None:
    first, again = (list(SEQUENCES[name](3, 3, 5.0, WIDTH, HEIGHT)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)
    assert [f.stamp_ns - FIRST_STAMP_NS for f in first] == [0, 200_000_000, 400_000_000]
    for a, b in pairwise(first):
        assert np.abs(np.minimum(a.depth_m, 1e3) - np.minimum(b.depth_m, 1e3)).max() > 0.01
