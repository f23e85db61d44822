"""The room world: furnished rooms with NYUD's 40 classes and ground truth for a (seed, index)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mtscene_ros.datasets.classes import NYUD_40, ROOM_BOXES
from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds import fittings, furniture, household, light, raycast, textures
from mtscene_ros.worlds.frame import FIRST_STAMP_NS, WorldFrame
from mtscene_ros.worlds.furnishing import Room, place_on_floor, place_on_wall, room_shell
from mtscene_ros.worlds.household import Group, Rng
from mtscene_ros.worlds.lamplight import Lamps, illuminate_indoors, random_lamps
from mtscene_ros.worlds.parts import (
    LAMP,
    Look,
    placed,
    rod,
    slab,
    turn,
)
from mtscene_ros.worlds.solid import F64
from mtscene_ros.worlds.truth import image_of, truth_of

CLEAR_M = 0.5  # free space around the camera
Maker = Callable[[Rng], Group]
_BEDROOM: tuple[Maker, ...] = (
    *(furniture.bed, furniture.night_stand, furniture.cabinet, furniture.dresser, furniture.desk),
    *(fittings.cartons, fittings.bag, furniture.bookshelf, fittings.stool, furniture.night_stand),
)
_LIVING: tuple[Maker, ...] = (
    *(furniture.sofa, furniture.bookshelf, furniture.low_table, furniture.sofa, fittings.plant),
    *(
        fittings.floor_lamp,
        furniture.table,
        fittings.stool,
        fittings.standing_person,
        fittings.column,
    ),
)
_KITCHEN: tuple[Maker, ...] = (
    *(furniture.counter, furniture.fridge, furniture.table, furniture.counter, furniture.chair),
    *(fittings.cartons, fittings.bag, fittings.standing_person, furniture.cabinet),
)
_BATH: tuple[Maker, ...] = (
    *(fittings.toilet, fittings.wash_stand, fittings.bathtub, furniture.cabinet, fittings.stool),
)
_OFFICE: tuple[Maker, ...] = (
    *(furniture.desk, furniture.desk, furniture.bookshelf, furniture.table, fittings.cartons),
    *(furniture.cabinet, fittings.seated_person, fittings.plant, fittings.column, fittings.bag),
)
_KINDS = (_BEDROOM, _LIVING, _KITCHEN, _BATH, _OFFICE)
_HUNG: tuple[Maker, ...] = (
    fittings.picture,
    fittings.mirror,
    fittings.television,
    fittings.whiteboard,
)
_HUNG += (fittings.towel_or_clothes, fittings.shelf, fittings.picture)


def room_frame(seed: int, index: int, width_px: int = 640, height_px: int = 480) -> WorldFrame:
    """Renders room `index` of the series `seed`; rooms are independent of one another."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, 2])))
    room, pose, lamps = random_room(rng)
    camera, lens = random_intrinsics(rng, width_px, height_px), light.random_lens(rng)
    return render(room, (camera, pose), lamps, lens, rng, FIRST_STAMP_NS)


def room_sequence(
    seed: int, length: int, rate_hz: float = 10.0, width_px: int = 640, height_px: int = 480
) -> Iterator[WorldFrame]:
    """Renders `length` frames of one room, 1 / rate_hz apart, from a camera that moves and
    turns."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0, 3])))
    room, first, lamps = random_room(rng)
    camera, lens = random_intrinsics(rng, width_px, height_px), light.random_lens(rng)
    heading, phase = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    for i in range(length):
        way = np.sin(0.8 * i / rate_hz + phase) - np.sin(phase)
        step = 0.2 * way * np.array([np.cos(heading), np.sin(heading), 0.1])
        pose = first.copy()
        pose[:3, :3] = turn(0.25 * way) @ first[:3, :3]
        pose[:3, 3] += step
        yield render(
            room, (camera, pose), lamps, lens, rng, FIRST_STAMP_NS + round(i * 1e9 / rate_hz)
        )


def random_intrinsics(rng: Rng, width: int, height: int) -> Intrinsics:
    """Draws intrinsics typical of hand-held cameras; NYUD's fx is 0.81 image widths."""
    fx, (u, v) = rng.uniform(0.7, 1.05) * width, rng.normal(0, 0.01, 2) * width
    return Intrinsics(width, height, fx, fx, (width - 1) / 2 + u, (height - 1) / 2 + v)


def random_room(rng: Rng) -> tuple[Room, F64, Lamps]:
    """Draws a furnished room, world_from_optical of a camera in it, and its light."""
    size = np.array([rng.uniform(3.2, 7), rng.uniform(2.8, 6), rng.uniform(2.35, 3)])
    room = Room(size, room_shell(rng, size))
    pose = camera_pose(rng, size)
    room.floor.append((pose[:2, 3], np.full(2, CLEAR_M)))
    place_on_wall(rng, room, fittings.door(rng), int(rng.integers(4)))
    for number in rng.permutation(4)[: int(rng.integers(0, 3))]:
        if middle := place_on_wall(rng, room, fittings.window(rng), int(number)):
            room.windows_m.append(middle[0])
    makers = _KINDS[int(rng.integers(len(_KINDS)))]
    for k, make in enumerate(makers):
        if k < 3 or rng.random() < 0.6:
            place_on_floor(
                rng, room, make(rng), free=make in (furniture.table, furniture.low_table)
            )
    for _ in range(int(rng.integers(1, 6))):
        place_on_wall(rng, room, _HUNG[int(rng.integers(len(_HUNG)))](rng), int(rng.integers(4)))
    if rng.random() < 0.4:
        x, y = size[:2] * rng.uniform(0.3, 0.7, 2)
        mat = slab(
            household.fabric(rng, household.MAT), -0.9, 0.9, rng.uniform(0.4, 0.8), 0, 0.012
        )
        room.solids += placed([mat], turn(rng.uniform(0, 3)), np.array([x, y, 0]))
    lamps = random_lamps(rng, size, room.windows_m)
    bulb = Look((0.95, 0.9, 0.8), LAMP, household.LIGHT)
    top = lamps.at_m[0]
    room.solids.append(rod(bulb, (top[0], top[1], size[2] - 0.06), (top[0], top[1], size[2]), 0.2))
    return room, pose, lamps


def camera_pose(rng: Rng, size: F64) -> F64:
    """Draws a camera in the outer part of the room that looks towards its middle."""
    side = turn(rng.uniform(0, 2 * np.pi))[:2, 0]
    at = size[:2] * (0.5 + side * rng.uniform(0.15, 0.5))
    at = np.clip(at, 0.35, size[:2] - 0.35)
    ahead = size[:2] * rng.uniform(0.35, 0.65, 2) - at
    yaw = np.arctan2(ahead[1], ahead[0]) + rng.normal(0, 0.25)
    pitch, roll = rng.normal(0.15, 0.13), rng.normal(0, 0.03)
    return pose_of(np.array([*at, np.clip(rng.normal(1.35, 0.2), 0.8, 1.8)]), yaw, pitch, roll)


def pose_of(at_m: F64, yaw: float, pitch: float, roll: float) -> F64:
    """Returns world_from_optical (4, 4) of a camera at (3,) metres; angles in radians, pitch is
    positive downwards."""
    c, s, n, m = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y, about_x = (
        np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        np.array([[1, 0, 0], [0, n, -m], [0, m, n]]),
    )
    pose = np.eye(4)
    pose[:3, :3] = turn(yaw) @ about_y @ about_x @ raycast.OPTICAL_FROM_CAMERA.T
    pose[:3, 3] = at_m
    return pose


def render(
    room: Room,
    viewpoint: tuple[Intrinsics, F64],
    lamps: Lamps,
    lens: light.Lens,
    rng: Rng,
    stamp_ns: int,
) -> WorldFrame:
    hits = raycast.cast(room.solids, *viewpoint)
    solid = hits.solid.ravel()[hits.pixels]
    looks = [s.look for s in room.solids]
    owners = image_of(hits, np.array([s.owner for s in room.solids], np.uint16)[solid])
    surface = textures.paint_all(hits, room.solids, lamps_on=True)
    ground, floor = light.ground_coordinates(hits)
    open_share = np.ones(len(hits.pixels), np.float32)
    open_sky = light.ambient_occlusion(ground, room.blocks, *viewpoint)
    open_share[: len(floor)] = open_sky.ravel()[floor]
    linear = illuminate_indoors(surface, hits, open_share, lamps, viewpoint)
    instances, boxes, visible, truncated = truth_of(
        room.objects, ROOM_BOXES, hits, owners, viewpoint
    )
    return WorldFrame(
        rgb=light.expose(linear, lens, rng),
        labels=image_of(hits, np.array([look.label for look in looks], np.uint8)[solid]),
        instances=instances,
        depth_m=hits.depth_m.astype(np.float32),
        normals=image_of(hits, hits.normals_optical),
        boxes=boxes,
        visible=visible,
        truncated=truncated,
        intrinsics=viewpoint[0],
        world_from_optical=viewpoint[1],
        stamp_ns=stamp_ns,
        classes=NYUD_40,
        human_parts=image_of(hits, np.array([look.part for look in looks], np.uint8)[solid]),
    )
