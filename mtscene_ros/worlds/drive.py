"""The drive world: random street scenes with traffic and their truth, given (seed, index)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.classes import DRIVE_BOXES
from mtscene_ros.geometry import box_corners, quaternion_from_matrix
from mtscene_ros.types import Boxes3D, Intrinsics
from mtscene_ros.worlds import light, parts, raycast, street, textures, traffic
from mtscene_ros.worlds.frame import WorldFrame
from mtscene_ros.worlds.raycast import BLOCK, ELLIPSOID, F32, F64, PLANE, Hits, Solid
from mtscene_ros.worlds.road import ZONE_LABELS, Road, random_road

FIRST_STAMP_NS = 1_700_000_000_000_000_000
SHADOWS_TO_M = 120.0
_LOOK = parts.Look((0.0, 0.0, 0.0), parts.GROUND, parts.ROAD)
_GROUND = Solid(PLANE, np.zeros(3), np.ones(3), look=_LOOK)


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """ego: s, d, speed m/s; camera: height m; yaw, pitch, roll rad relative to the road."""

    road: Road
    still: list[Solid]
    actors: list[traffic.Actor]
    intrinsics: Intrinsics
    ego: tuple[float, float, float]
    camera: F64
    weather: light.Light
    lens: light.Lens


def drive_frame(seed: int, index: int, width_px: int = 512, height_px: int = 256) -> WorldFrame:
    """Scene number `index` of the family `seed`, independent of all others."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    world = _random_world(rng, width_px, height_px, 0.0)
    return _render(world, 0.0, np.zeros(4), rng, FIRST_STAMP_NS)


def drive_sequence(
    seed: int, length: int, rate_hz: float = 10.0, width_px: int = 512, height_px: int = 256
) -> Iterator[WorldFrame]:
    """A drive of `length` frames through one world, 1 / rate_hz apart; the camera sways."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0, 1])))
    world = _random_world(rng, width_px, height_px, length / rate_hz)
    phase, size = rng.uniform(0, 2 * np.pi, 4), np.array([0.015, 0.006, 0.006, 0.004])
    for i in range(length):
        time_s = i / rate_hz
        sway = size * (np.sin(phase + time_s * np.array([7.0, 0.6, 5.0, 3.0])) - np.sin(phase))
        yield _render(world, time_s, sway, rng, FIRST_STAMP_NS + round(i * 1e9 / rate_hz))


def _random_world(
    rng: np.random.Generator, width_px: int, height_px: int, duration_s: float
) -> _World:
    road = random_road(rng)
    lane = int(rng.integers(road.lanes[0]))
    ego_d = road.sign(0) * (lane + 0.5) * road.lane_m + rng.normal(0, 0.2)
    speed_mps = rng.uniform(4, 14) if duration_s else 0.0
    furniture = street.furniture(rng, road)
    taken = [traffic.Claim(0.0, ego_d, *traffic.EGO_HALF_M, (speed_mps, 0.0))]
    taken += [traffic.Claim(s, d, street.POST_M, street.POST_M) for s, d, _ in furniture]
    actors = traffic.random_traffic(rng, road, taken, speed_mps, duration_s)
    # The ground comes first: _render knows it by its index, 0.
    still = [_GROUND, *street.surroundings(rng, road), *(x for _, _, f in furniture for x in f)]
    tilt = rng.normal(0, 0.05), rng.normal(0.02, 0.03), rng.normal(0, 0.012)
    camera = np.array([np.clip(rng.normal(1.55, 0.18), 1.2, 2.2), *tilt])
    intrinsics = _random_intrinsics(rng, width_px, height_px)
    weather, lens = light.random_light(rng), light.random_lens(rng)
    return _World(road, still, actors, intrinsics, (0.0, ego_d, speed_mps), camera, weather, lens)


def _random_intrinsics(rng: np.random.Generator, width: int, height: int) -> Intrinsics:
    fx = rng.uniform(0.7, 1.4) * width
    u, v = rng.normal(0, 0.015, 2) * width
    fy = fx * rng.normal(1, 0.004)
    return Intrinsics(width, height, fx, fy, (width - 1) / 2 + u, (height - 1) / 2 + v)


def _render(
    world: _World, time_s: float, sway: F64, rng: np.random.Generator, stamp_ns: int
) -> WorldFrame:
    pose = _camera_pose(world, time_s, sway)
    placed = [a.at(world.road, time_s, k + 1) for k, a in enumerate(world.actors)]
    boxes = [box for _, box in placed]
    solids = [*world.still, *(part for actor_parts, _ in placed for part in actor_parts)]
    hits = raycast.cast(solids, world.intrinsics, pose)
    of = hits.solid.ravel()[hits.pixels]
    on_ground = slice(0, int(np.searchsorted(of, 1)))  # hits come sorted by solid
    sd = world.road.locate(*hits.local_m[on_ground, :2].T.astype(np.float64))
    zone = world.road.zones(*sd)
    label = np.array([x.look.label for x in solids], np.uint8)[of]
    label[on_ground] = ZONE_LABELS[zone]
    owner = np.array([x.owner for x in solids], np.uint16)[of]
    color, gloss, glow = textures.paint_all(hits, solids, world.weather.lamps_on)
    color[on_ground] = textures.ground(zone, *sd, world.weather.offset, world.road.grass)
    sunny, open_sky = _shades(world, hits, on_ground, boxes, pose)
    view = world.intrinsics, pose
    linear = light.illuminate((color, gloss, glow), hits, sunny, open_sky, world.weather, view)
    instances, truth, visible, truncated = _truth(world, boxes, hits, _image(hits, owner), pose)
    return WorldFrame(
        rgb=light.expose(linear, world.lens, rng),
        labels=_image(hits, label, parts.SKY),
        instances=instances,
        depth_m=hits.depth_m.astype(np.float32),
        normals=_image(hits, hits.normals_optical),
        boxes=truth,
        visible=visible,
        truncated=truncated,
        intrinsics=world.intrinsics,
        world_from_optical=pose,
        stamp_ns=stamp_ns,
    )


def _image(hits: Hits, values: NDArray[Any], empty: int = 0) -> NDArray[Any]:
    """(P, ...) values of the hit pixels → (H, W, ...)."""
    image = np.full((hits.solid.size, *values.shape[1:]), empty, values.dtype)
    image[hits.pixels] = values
    return image.reshape(*hits.solid.shape, *values.shape[1:])


def _camera_pose(world: _World, time_s: float, sway: F64) -> F64:
    """world_from_optical (4, 4); sway is added to world.camera."""
    s, d, speed_mps = world.ego
    x, y, heading = world.road.place(s + speed_mps * time_s, d)
    height, yaw, pitch, roll = world.camera + sway
    c, n = np.cos([pitch, roll]), np.sin([pitch, roll])
    about_y = np.array([[c[0], 0, n[0]], [0, 1, 0], [-n[0], 0, c[0]]])
    about_x = np.array([[1, 0, 0], [0, c[1], -n[1]], [0, n[1], c[1]]])
    pose = np.eye(4)
    pose[:3, :3] = parts.turn(heading + yaw) @ about_y @ about_x @ raycast.OPTICAL_FROM_CAMERA.T
    pose[:3, 3] = x, y, height
    return pose


def _shades(
    world: _World, hits: Hits, on_ground: slice, boxes: list[Solid], pose: F64
) -> tuple[F32, F32]:
    """(P,) share of the sun and of the sky that each hit pixel sees; only the ground is shaded."""
    pixels, view = hits.pixels[on_ground], (world.intrinsics, pose)
    flat = np.full((2, hits.solid.size), 1e4, np.float32)
    flat[:, pixels] = hits.local_m[on_ground, :2].T
    ground = flat.reshape(2, *hits.solid.shape)
    sunny, open_sky = np.ones((2, len(hits.pixels)), np.float32)
    open_sky[on_ground] = light.contact(ground, boxes, *view).ravel()[pixels]
    if world.weather.sunlight.max() > 0.2:
        solid = [x for x in world.still if x.kind in (BLOCK, ELLIPSOID)]
        casters = [*boxes, *(x for x in solid if x.center_m[0] < SHADOWS_TO_M)]
        sunny[on_ground] = light.shadow(ground, casters, world.weather, *view).ravel()[pixels]
    return sunny, open_sky


def _truth(
    world: _World, blocks: list[Solid], hits: Hits, owner: NDArray[np.uint16], pose: F64
) -> tuple[NDArray[np.uint16], Boxes3D, F32, F32]:
    """Instances renumbered to the seen boxes, the boxes, their visible and truncated shares."""
    count = np.bincount(owner.ravel(), minlength=len(blocks) + 1)[1:]
    kept = np.flatnonzero(count)
    number = np.zeros(len(blocks) + 1, np.uint16)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    seen = [blocks[k] for k in kept]
    centers = np.array([b.center_m for b in seen]).reshape(-1, 3) - pose[:3, 3]
    rotations = pose[:3, :3].T @ np.array([b.world_from_local for b in seen]).reshape(-1, 3, 3)
    boxes = Boxes3D(
        class_ids=np.array([world.actors[k].kind for k in kept], np.int64),
        scores=np.ones(len(kept), np.float32),
        centers_m=centers @ pose[:3, :3],
        sizes_m=2 * np.array([b.half_m for b in seen]).reshape(-1, 3),
        quaternions_xyzw=quaternion_from_matrix(rotations),
        classes=DRIVE_BOXES,
    )
    alone = np.array([hits.silhouettes[int(k) + 1].sum() for k in kept])
    corners = box_corners(boxes.centers_m, boxes.sizes_m, rotations)
    visible = (count[kept] / alone).astype(np.float32)
    return number[owner], boxes, visible, _truncated(corners, world.intrinsics)


def _truncated(corners: F64, camera: Intrinsics) -> F32:
    """Share of each projected box's rectangle outside the image; depths are at least NEAR_M."""
    z = np.maximum(corners[..., 2], raycast.NEAR_M)
    u = corners[..., 0] / z * camera.fx_px + camera.cx_px + 0.5
    v = corners[..., 1] / z * camera.fy_px + camera.cy_px + 0.5
    low, high = np.stack([u.min(-1), v.min(-1)], -1), np.stack([u.max(-1), v.max(-1)], -1)
    frame = np.array([camera.width_px, camera.height_px], np.float64)
    inside = np.maximum(np.minimum(high, frame) - np.maximum(low, 0), 0).prod(-1)
    return np.asarray((1 - inside / (high - low).prod(-1)).clip(0, 1), np.float32)
