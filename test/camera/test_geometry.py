import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtscene_ros.camera.geometry import (
    NEAR_PLANE_M,
    box_corners,
    in_front,
    intrinsics_from_matrix,
    matrix_from_quaternion,
    moved,
    optical_from_level_box,
    project,
    quaternion_from_matrix,
    rectangles_in_image,
    relative,
    unproject,
    yaw_of_box,
)
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.types import Boxes3D, Intrinsics


def test_box_that_drives_away_has_left_on_the_left() -> None:
    [rotation] = optical_from_level_box(np.array([-math.pi / 2]))
    np.testing.assert_allclose(rotation @ [1, 0, 0], [0, 0, 1], atol=1e-12)  # forward = away
    np.testing.assert_allclose(rotation @ [0, 1, 0], [-1, 0, 0], atol=1e-12)  # left
    np.testing.assert_allclose(rotation @ [0, 0, 1], [0, -1, 0], atol=1e-12)  # up


@pytest.mark.parametrize('yaw', [-3.0, -math.pi / 2, 0.0, 0.7, math.pi / 2, 3.1])
def test_yaw_survives_matrix_and_quaternion(yaw: float) -> None:
    quaternion = quaternion_from_matrix(optical_from_level_box(np.array([yaw])))
    assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-12)
    assert yaw_of_box(matrix_from_quaternion(quaternion))[0] == pytest.approx(yaw, abs=1e-9)


def test_quaternion_of_a_quarter_turn_about_z() -> None:
    turn = np.array([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    half = math.sqrt(0.5)
    np.testing.assert_allclose(quaternion_from_matrix(turn), [[0, 0, half, half]], atol=1e-12)
    np.testing.assert_allclose(
        matrix_from_quaternion(np.array([[0, 0, half, half]])), turn, atol=1e-12
    )


def test_half_turns_are_where_the_trace_formula_fails() -> None:
    for axis in range(3):
        half_turn = -np.eye(3)
        half_turn[axis, axis] = 1
        expected = np.eye(4)[axis]
        np.testing.assert_allclose(np.abs(quaternion_from_matrix(half_turn[None]))[0], expected)


def test_corners_of_a_car_ahead() -> None:
    rotation = optical_from_level_box(np.array([-math.pi / 2]))
    corners = box_corners(np.array([[0, 1, 20.0]]), np.array([[4, 2, 1.5]]), rotation)
    np.testing.assert_allclose(corners[0, 0], [-1, 1.75, 22], atol=1e-9)  # front left bottom
    np.testing.assert_allclose(corners[0, 6], [1, 0.25, 18], atol=1e-9)  # rear right top


def test_projection_and_back() -> None:
    camera = Intrinsics(640, 480, 500.0, 400.0, 320.0, 240.0)
    uv = project(np.array([[1.0, -0.5, 10.0]]), camera)
    np.testing.assert_allclose(uv, [[370, 220]])
    np.testing.assert_allclose(unproject(uv, np.array([10.0]), camera), [[1, -0.5, 10]])


def one_box(center_m: tuple[float, float, float], size_m: tuple[float, float, float]) -> Boxes3D:
    """A box along the optical axes: length along x, width along y, height along z."""
    arrays = (np.array([row], np.float64) for row in (center_m, size_m, (0, 0, 0, 1)))
    return Boxes3D(np.zeros(1, np.int64), np.ones(1, np.float32), *arrays, DRIVE_BOXES)


CAMERA = Intrinsics(640, 480, 500.0, 400.0, 320.0, 240.0)


def test_a_negative_w_turns_the_sign_of_the_whole_quaternion() -> None:
    """A turn by 270 degrees about z: (0, 0, h, -h) and (0, 0, -h, h) are the same."""
    turn, half = np.array([[[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]]), math.sqrt(0.5)
    np.testing.assert_allclose(quaternion_from_matrix(turn), [[0, 0, -half, half]], atol=1e-12)


# Turns x to y, y to z, z to x: no rotation that equals its transpose.
CYCLE = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])


def test_a_box_moves_into_another_frame() -> None:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = CYCLE, (10, 20, 30)
    found = moved(one_box((1, 2, 3), (4, 2, 1.5)), pose)
    np.testing.assert_allclose(found.centers_m, [[13, 21, 32]])
    np.testing.assert_allclose(matrix_from_quaternion(found.quaternions_xyzw)[0], CYCLE)
    np.testing.assert_allclose(found.sizes_m, [[4, 2, 1.5]])


def test_relative_is_a_from_b() -> None:
    common_from_a, common_from_b = np.eye(4), np.eye(4)
    common_from_a[:3, :3], common_from_a[:3, 3] = CYCLE, (1, 2, 3)
    common_from_b[0, 3] = 5
    found = relative(common_from_a, common_from_b)
    np.testing.assert_allclose(common_from_a @ found, common_from_b)
    np.testing.assert_allclose(found[:3, 3], [-2, -3, 4])  # (5, 0, 0) - (1, 2, 3), turned back


def test_edges_are_cut_off_before_the_camera() -> None:
    """A box from 1 m behind the camera to 3 m before it: four corners stay, four edges are cut."""
    corners = box_corners(np.array([[0.0, 0, 1]]), np.array([[2, 2, 4.0]]), np.eye(3)[None])[0]
    found = in_front(corners)
    assert sorted(found[:, 2].round(12)) == [0.3] * 4 + [3.0] * 4
    assert (np.abs(found[:, :2]) == 1).all()
    assert in_front(corners - np.array([0, 0, 10])).shape == (0, 3)
    assert (
        len(in_front(corners + np.array([0, 0, 1.3]))) == 8
    )  # the near side lies at 0.3 m exactly


def test_rectangles_in_the_image() -> None:
    """At 10 m, 500 / 10 = 50 px per metre across and 40 px per metre down."""
    [rectangle], [visible] = rectangles_in_image(one_box((1, -1, 10), (2, 1, 0)), CAMERA)
    assert visible
    np.testing.assert_allclose(rectangle, [320, 180, 420, 220])


def test_a_box_that_fills_the_image_ends_at_the_outer_edges_of_its_pixels() -> None:
    [rectangle], [visible] = rectangles_in_image(one_box((0, 0, 2), (90, 90, 1)), CAMERA)
    assert visible
    assert rectangle.tolist() == [-0.5, -0.5, 639.5, 479.5]


@pytest.mark.parametrize(
    'center', [(20, 0, 10), (-20, 0, 10), (0, 20, 10), (0, -20, 10), (0, 0, -5)]
)
def test_a_box_beside_the_image_or_behind_the_camera_is_not_seen(center: tuple) -> None:
    assert not rectangles_in_image(one_box(center, (2, 2, 2)), CAMERA)[1].any()


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


def unit_quaternions() -> st.SearchStrategy[np.ndarray]:
    """Of any sign, and with components that vanish."""
    four = st.tuples(*[numbers(-1, 1)] * 4).map(np.array)
    return four.filter(lambda q: np.linalg.norm(q) > 0.1).map(lambda q: q / np.linalg.norm(q))


@given(unit_quaternions())
def test_both_signs_of_a_quaternion_are_one_rotation(quaternion: np.ndarray) -> None:
    one, other = (matrix_from_quaternion(q[None]) for q in (quaternion, -quaternion))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one[0] @ one[0].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(one[0]) == pytest.approx(1)
    [found] = quaternion_from_matrix(one)
    assert found[3] >= 0
    assert abs(found @ quaternion) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(matrix_from_quaternion(found[None]), one, atol=1e-12)


@given(
    unit_quaternions(),
    st.tuples(numbers(-20, 20), numbers(-5, 5), numbers(15, 80)),
    st.tuples(*[numbers(0.1, 12)] * 3),
)
def test_a_box_survives_its_corners_and_their_pixels(
    quaternion: np.ndarray, center_m: tuple, size_m: tuple
) -> None:
    [turn] = matrix_from_quaternion(quaternion[None])
    [corners] = box_corners(np.array([center_m]), np.array([size_m]), turn[None])
    uv_px = project(corners, CAMERA)
    again = unproject(uv_px, corners[:, 2], CAMERA)
    np.testing.assert_allclose(again.mean(0), center_m, atol=1e-9)
    edges = again[[0, 0, 0]] - again[[1, 3, 4]]  # along length and width; from top to bottom
    np.testing.assert_allclose(edges, np.diag([1, 1, -1]) * size_m @ turn.T, atol=1e-9)


@given(unit_quaternions(), unit_quaternions(), st.tuples(*[numbers(-50, 50)] * 3))
def test_a_box_moved_there_and_back_is_the_same(
    of_box: np.ndarray, of_frame: np.ndarray, offset_m: tuple
) -> None:
    box, pose = one_box((1, 2, 30), (4, 2, 1.5)), np.eye(4)
    pose[:3, :3], pose[:3, 3] = matrix_from_quaternion(of_frame[None])[0], offset_m
    box.quaternions_xyzw[:] = of_box
    again = moved(moved(box, pose), relative(pose, np.eye(4)))
    np.testing.assert_allclose(again.centers_m, box.centers_m, atol=1e-9)
    assert abs(again.quaternions_xyzw[0] @ of_box) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize('times', [1, 2, 3])
def test_each_edge_of_a_box_can_be_cut(times: int) -> None:
    """Four edges run along each axis; those along the optical axis are cut."""
    turn = np.linalg.matrix_power(CYCLE, times)
    [corners] = box_corners(np.array([[0.0, 0, 1]]), np.array([[4.0, 4, 4]]), turn[None])
    found = in_front(corners)
    assert sorted(found[:, 2].round(12)) == [0.3] * 4 + [3.0] * 4
    assert len({tuple(point) for point in found.round(12)}) == 8
    assert (np.abs(found[:, :2]).round(12) == 2).all()


@pytest.mark.parametrize(('near_m', 'far_m', 'count'), [(0.3, 2, 8), (-1, 0.3, 4), (-1, 0.29, 0)])
def test_corners_at_the_near_plane(near_m: float, far_m: float, count: int) -> None:
    assert NEAR_PLANE_M == 0.3
    [corners] = box_corners(np.zeros((1, 3)), np.array([[2.0, 2, 2]]), np.eye(3)[None])
    corners[:, 2] = np.where(corners[:, 2] < 0, near_m, far_m)
    assert len(in_front(corners)) == count


def test_half_turns_have_their_axis_and_not_its_opposite() -> None:
    for axis in range(3):
        half_turn = np.diag(2 * np.eye(3)[axis] - 1)
        np.testing.assert_allclose(quaternion_from_matrix(half_turn), np.eye(4)[axis])


def test_rotations_of_any_shape() -> None:
    many = np.broadcast_to(CYCLE, (2, 5, 3, 3))
    quaternions = quaternion_from_matrix(many)
    np.testing.assert_allclose(quaternions, np.full((2, 5, 4), 0.5))
    np.testing.assert_allclose(matrix_from_quaternion(quaternions), many, atol=1e-12)
    assert yaw_of_box(many).shape == (2, 5)
    assert optical_from_level_box(np.zeros((2, 5))).shape == (2, 5, 3, 3)


def test_intrinsics_of_a_matrix() -> None:
    matrix = np.array([[500.0, 9, 320], [8, 400, 240], [7, 6, 1]])
    assert intrinsics_from_matrix(matrix, 640, 480) == CAMERA


def test_points_of_an_image_become_points_in_space() -> None:
    uv_px = np.array([[[320.0, 240], [370, 280]], [[270, 200], [820, 240]]])
    found = unproject(uv_px, np.array([[1.0, 10], [10, 2]]), CAMERA)
    np.testing.assert_allclose(found, [[[0, 0, 1], [1, 1, 10]], [[-1, -1, 10], [2, 0, 2]]])
    np.testing.assert_allclose(project(found, CAMERA), uv_px)
