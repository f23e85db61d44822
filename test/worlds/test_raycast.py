"""Solids hit by hand-checked rays: camera at the origin (or 1.5 m up), looking along world x."""

from typing import Any

import numpy as np
import pytest

from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds import raycast
from mtscene_ros.worlds.solid import BLOCK, CYLINDER, ELLIPSOID, PLANE, Solid, extent

CAMERA = Intrinsics(101, 101, 94.5, 94.5, 50.0, 50.0)
ALONG_X = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


def look(*solids: Solid, height_m: float = 0.0) -> raycast.Hits:
    pose = np.eye(4)
    pose[:3, :3] = raycast.OPTICAL_FROM_CAMERA.T
    pose[2, 3] = height_m
    return raycast.cast(list(solids), CAMERA, pose)


def at(x: float, kind: int, half: tuple[float, float, float], **more: Any) -> Solid:
    return Solid(kind, np.array([x, 0.0, 0.0]), np.array(half), **more)


def test_box_ten_metres_away_shows_its_face_at_nine() -> None:
    hits = look(at(10, BLOCK, (1, 1, 1)))
    hit = hits.solid == 0
    assert hits.depth_m[hit] == pytest.approx(9)
    assert np.flatnonzero(hit[50])[[0, -1]].tolist() == [40, 60]  # 94.5 / 9 = 10.5 px each side
    assert hit.sum() == 21 * 21
    np.testing.assert_allclose(hits.normals_optical, [[0, 0, -1]] * hit.sum(), atol=1e-6)


@pytest.mark.parametrize(
    ('solid', 'depth_m'),
    [
        (at(10, ELLIPSOID, (1, 2, 3)), 9),
        (at(10, CYLINDER, (1, 2, 3)), 9),
        (at(10, CYLINDER, (1, 1, 2), world_from_local=ALONG_X), 8),
        (at(10, CYLINDER, (1, 1, 2), world_from_local=ALONG_X, hole=0.5), np.inf),
        (at(10, BLOCK, (2, 1, 1), inset_m=(0, 1, 0)), 8.5),
    ],
)
def test_depth_of_the_central_ray(solid: Solid, depth_m: float) -> None:
    assert look(solid).depth_m[50, 50] == pytest.approx(depth_m)


def test_ground_depth_is_height_over_slope() -> None:
    hits = look(Solid(PLANE, np.zeros(3), np.ones(3)), height_m=1.5)
    assert hits.depth_m[80, 20] == pytest.approx(94.5 * 1.5 / 30)
    assert np.isinf(hits.depth_m[:51]).all()
    np.testing.assert_allclose(hits.normals_optical[0], [0, -1, 0], atol=1e-6)


def test_nearest_solid_wins_and_silhouette_ignores_it() -> None:
    far, near = at(20, BLOCK, (1, 1, 1), owner=1), at(10, BLOCK, (1, 1, 1), owner=2)
    hits = look(far, near)
    assert not (hits.solid == 0).any()
    assert hits.silhouettes[1].sum() == 9 * 9  # 94.5 / 19 = 4.97 px each side


def test_box_around_and_behind_the_camera() -> None:
    assert (look(at(0, BLOCK, (1, 1, 1)), at(-5, ELLIPSOID, (1, 1, 1))).solid == -1).all()


def test_extent_of_a_turned_cylinder() -> None:
    solid = at(0, CYLINDER, (0.3, 0.3, 2), world_from_local=ALONG_X)
    np.testing.assert_allclose(extent(solid), [2, 0.3, 0.3])
