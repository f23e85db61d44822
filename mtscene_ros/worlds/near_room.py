"""Rooms as robots see them: from close to the things on and along the walls, or from low down.

`room_frame` looks into rooms like a person who takes a picture. Arms, vacuum cleaners and cameras
in the hand have nearer surfaces and other heights; depth learned without them is too far.
"""

from __future__ import annotations

import numpy as np

from mtscene_ros.worlds import light
from mtscene_ros.worlds.frame import FIRST_STAMP_NS, WorldFrame
from mtscene_ros.worlds.furnishing import Room
from mtscene_ros.worlds.household import Rng
from mtscene_ros.worlds.room import pose_of, random_intrinsics, random_room, render
from mtscene_ros.worlds.solid import F64, Solid

NEAR_M = 0.5, 2.2  # between camera and the thing it looks at
LOW_M = 0.12, 0.7  # heights of cameras of robots that drive on the floor
LOW_SHARE = 0.4
AWAY_M = 0.12  # between a camera and furniture or walls
ATTEMPTS = 30


def near_room_frame(
    seed: int, index: int, width_px: int = 640, height_px: int = 480
) -> WorldFrame:
    """Renders room `index` of the series `seed`; rooms are independent of one another."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, 4])))
    room, far, lamps = random_room(rng)
    draw = low_pose if rng.random() < LOW_SHARE or not room.blocks else close_pose
    candidates = (draw(rng, room) for _ in range(ATTEMPTS))
    pose = next((p for p in candidates if is_free(room, p[:3, 3])), far)
    camera, lens = random_intrinsics(rng, width_px, height_px), light.random_lens(rng)
    return render(room, (camera, pose), lamps, lens, rng, FIRST_STAMP_NS)


def close_pose(rng: Rng, room: Room) -> F64:
    """Draws a camera that looks at a piece of furniture from nearby."""
    block = room.blocks[int(rng.integers(len(room.blocks)))]
    at_m = block.center_m + block.world_from_local @ (block.half_m * rng.uniform(-0.8, 0.8, 3))
    around, distance_m = rng.uniform(0, 2 * np.pi), rng.uniform(*NEAR_M)
    up_m = np.clip(at_m[2] + rng.uniform(-0.2, 0.9), 0.15, 2.0) - at_m[2]
    away = np.array([np.cos(around) * distance_m, np.sin(around) * distance_m, up_m])
    yaw = around + np.pi + rng.normal(0, 0.15)
    pitch = np.arctan2(up_m, distance_m) + rng.normal(0, 0.1)
    return pose_of(at_m + away, yaw, pitch, rng.normal(0, 0.05))


def low_pose(rng: Rng, room: Room) -> F64:
    """Draws a camera on a low robot that looks across the room."""
    x_m, y_m = rng.uniform(0.3, 0.7, 2) * room.size_m[:2] + rng.normal(0, 0.8, 2)
    ahead = room.size_m[:2] * rng.uniform(0.2, 0.8, 2) - [x_m, y_m]
    yaw = np.arctan2(ahead[1], ahead[0]) + rng.normal(0, 0.4)
    at_m = np.array([x_m, y_m, rng.uniform(*LOW_M)])
    return pose_of(at_m, yaw, rng.normal(-0.02, 0.08), rng.normal(0, 0.02))


def is_free(room: Room, at_m: F64) -> bool:
    """Whether a camera at (3,) metres is in the room and outside the furniture."""
    inside = (at_m > AWAY_M).all() and (at_m < room.size_m - AWAY_M).all()
    return bool(inside and not any(is_within(at_m, block) for block in room.blocks))


def is_within(at_m: F64, block: Solid) -> bool:
    local_m = block.world_from_local.T @ (at_m - block.center_m)
    return bool((np.abs(local_m) < block.half_m + AWAY_M).all())
