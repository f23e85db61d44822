import math

import numpy as np
import pytest

from mtscene_ros.camera.geometry import (
    box_corners,
    matrix_from_quaternion,
    optical_from_level_box,
    project,
    quaternion_from_matrix,
    unproject,
    yaw_of_box,
)
from mtscene_ros.types import Intrinsics


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
