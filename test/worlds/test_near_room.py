"""Rooms seen from nearby and from low robots."""

from __future__ import annotations

import numpy as np
import pytest

from mtscene_ros.worlds.furnishing import Room
from mtscene_ros.worlds.near_room import is_free, near_room_frame
from mtscene_ros.worlds.room import pose_of, room_frame
from mtscene_ros.worlds.solid import BLOCK, Solid


def test_surfaces_are_nearer_than_in_pictures_of_rooms() -> None:
    near = [near_room_frame(1, k, 32, 24) for k in range(8)]
    far = [room_frame(1, k, 32, 24) for k in range(8)]
    assert np.median([f.depth_m for f in near]) < 0.75 * np.median([f.depth_m for f in far])
    heights_m = [f.world_from_optical[2, 3] for f in near]
    assert 0.12 <= min(heights_m) < 0.7
    again = near_room_frame(1, 3, 32, 24)
    np.testing.assert_array_equal(again.rgb, near[3].rgb)


def test_a_camera_keeps_away_from_walls_and_furniture() -> None:
    block = Solid(BLOCK, np.array([2.0, 2, 0.5]), np.array([0.5, 0.5, 0.5]))
    room = Room(np.array([4.0, 4, 2.5]), [], blocks=[block])
    free = [is_free(room, np.array(at)) for at in ([1, 1, 1.0], [2, 2, 0.5], [0.1, 2, 1])]
    assert free == [True, False, False]
    assert not is_free(room, np.array([2.6, 2, 0.5]))  # 0.1 m beside the block
    assert is_free(room, np.array([2.65, 2, 0.5]))


def test_a_pose_looks_along_its_yaw_and_down_its_pitch() -> None:
    pose = pose_of(np.array([1.0, 2, 3]), np.pi / 2, np.pi / 6, 0.0)
    ahead = pose[:3, :3] @ [0, 0, 1]
    assert ahead == pytest.approx([0, np.cos(np.pi / 6), -0.5])
    assert pose[:3, 3].tolist() == [1, 2, 3]
