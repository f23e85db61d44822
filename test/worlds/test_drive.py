import numpy as np
import pytest
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import box_corners, matrix_from_quaternion, project, unproject
from mtscene_ros.types import UNLABELED
from mtscene_ros.worlds.drive import FIRST_STAMP_NS, drive_frame, drive_sequence
from mtscene_ros.worlds.frame import WorldFrame

SIZE = {'width_px': 128, 'height_px': 64}


@pytest.fixture(scope='module')
def frames() -> list[WorldFrame]:
    return [drive_frame(5, i, **SIZE) for i in range(12)]


def points_of(frame: WorldFrame, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    v, u = np.nonzero(mask)
    depth_m = frame.depth_m[v, u].astype(np.float64)
    return unproject(np.stack([u, v], -1).astype(np.float64), depth_m, frame.intrinsics)


def test_same_seed_and_index_give_the_same_frame(frames: list[WorldFrame]) -> None:
    again = drive_frame(5, 3, **SIZE)
    np.testing.assert_array_equal(again.rgb, frames[3].rgb)
    np.testing.assert_array_equal(again.depth_m, frames[3].depth_m)
    assert (drive_frame(6, 3, **SIZE).rgb != frames[3].rgb).any()


def test_points_of_an_instance_lie_in_its_box(frames: list[WorldFrame]) -> None:
    for frame in frames:
        rotations = matrix_from_quaternion(frame.boxes.quaternions_xyzw)
        for k, rotation in enumerate(rotations):
            points = points_of(frame, frame.instances == k + 1) - frame.boxes.centers_m[k]
            assert (np.abs(points @ rotation) <= frame.boxes.sizes_m[k] / 2 + 0.01).all()


def test_projected_boxes_enclose_their_masks(frames: list[WorldFrame]) -> None:
    for frame in frames:
        boxes = frame.boxes
        rotations = matrix_from_quaternion(boxes.quaternions_xyzw)
        corners = box_corners(boxes.centers_m, boxes.sizes_m, rotations)
        for k in np.flatnonzero(corners[..., 2].min(1) > 0.5):
            uv = project(corners[k], frame.intrinsics)
            seen = np.argwhere(frame.instances == k + 1)[:, ::-1]
            assert (seen >= uv.min(0) - 1e-6).all()
            assert (seen <= uv.max(0) + 1e-6).all()


def test_normals_are_unit_and_face_the_camera(frames: list[WorldFrame]) -> None:
    for frame in frames:
        hit = np.isfinite(frame.depth_m)
        normals, points = frame.normals[hit], points_of(frame, hit)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
        cosine = (normals * points).sum(1) / np.linalg.norm(points, axis=1)
        assert cosine.max() < 1e-3
        assert not frame.normals[~hit].any()


def test_labels_and_classes(frames: list[WorldFrame]) -> None:
    labels = np.concatenate([f.labels.ravel() for f in frames])
    assert set(np.unique(labels)) <= set(range(19)) - {UNLABELED}
    assert {0, 1, 2, 8, 10, 13} <= set(np.unique(labels))
    for frame in frames:
        np.testing.assert_array_equal(frame.labels == 10, np.isinf(frame.depth_m))
        of_class = {0: {13}, 1: {14}, 2: {15}, 3: {16}, 4: {17, 12}, 5: {18, 12}, 6: {11}}
        for k, kind in enumerate(frame.boxes.class_ids):
            assert set(frame.labels[frame.instances == k + 1]) <= of_class[int(kind)]


def test_instances_number_the_boxes(frames: list[WorldFrame]) -> None:
    assert sum(len(f.boxes) for f in frames) > 20
    for frame in frames:
        assert set(np.unique(frame.instances)) - {0} == set(range(1, len(frame.boxes) + 1))
        assert ((frame.visible > 0) & (frame.visible <= 1)).all()
        assert ((frame.truncated >= 0) & (frame.truncated < 1)).all()


def test_objects_stand_on_the_ground_apart_from_each_other(frames: list[WorldFrame]) -> None:
    inside = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 9)] * 3), -1).reshape(-1, 3)
    for frame in frames:
        boxes, rotations = frame.boxes, matrix_from_quaternion(frame.boxes.quaternions_xyzw)
        for i, a in enumerate(rotations):
            points = (inside * boxes.sizes_m[i]) @ a.T + boxes.centers_m[i]
            ground = points[inside[:, 2] == -0.5] @ frame.world_from_optical[2, :3]
            np.testing.assert_allclose(ground, -frame.world_from_optical[2, 3], atol=1e-9)
            for j in set(range(len(boxes))) - {i}:
                local = np.abs((points - boxes.centers_m[j]) @ rotations[j])
                assert (local > boxes.sizes_m[j] / 2).any(1).all()


def test_sequence_is_one_still_world_seen_from_a_moving_camera() -> None:
    before, after = drive_sequence(1, 2, 10.0, **SIZE)
    assert (before.stamp_ns, after.stamp_ns) == (FIRST_STAMP_NS, FIRST_STAMP_NS + 100_000_000)
    still = (before.instances == 0) & (before.depth_m < 60)
    after_from_before = np.linalg.inv(after.world_from_optical) @ before.world_from_optical
    points = points_of(before, still) @ after_from_before[:3, :3].T + after_from_before[:3, 3]
    points = points[points[:, 2] > 0.5]
    u, v = np.round(project(points, after.intrinsics)).astype(int).T
    seen = (u >= 0) & (u < 128) & (v >= 0) & (v < 64)
    points, u, v = points[seen], u[seen], v[seen]
    depth_m = np.minimum(after.depth_m, 1e4)[v, u]  # sky counts as far away
    uv = np.stack([u, v], -1).astype(np.float64)
    rays = unproject(uv, depth_m.astype(np.float64), after.intrinsics)
    off_plane_m = np.abs(((points - rays) * after.normals[v, u]).sum(1))
    assert np.mean((off_plane_m < 0.05) & (depth_m < 1e4)) > 0.9  # the rest lies on edges
    assert not np.allclose(after_from_before, np.eye(4), atol=0.1)
