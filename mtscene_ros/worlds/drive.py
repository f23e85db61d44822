"""The drive world: random street scenes with traffic and ground truth for a (seed, index)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds import light, parts, raycast, street, textures, traffic
from mtscene_ros.worlds.frame import FIRST_STAMP_NS, WorldFrame
from mtscene_ros.worlds.road import ZONE_LABELS, Road, random_road
from mtscene_ros.worlds.solid import BLOCK, ELLIPSOID, F64, PLANE, Solid
from mtscene_ros.worlds.truth import image_of, truth_of

SHADOWS_TO_M = 120.0
_LOOK = parts.Look((0.0, 0.0, 0.0), parts.GROUND, parts.ROAD)
_GROUND = Solid(PLANE, np.zeros(3), np.ones(3), look=_LOOK)


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """ego: s and d in metres, speed in m/s; camera: height in metres, then yaw, pitch and roll in
    rad relative to the road."""

    road: Road
    still: list[Solid]
    actors: list[traffic.Actor]
    intrinsics: Intrinsics
    ego: tuple[float, float, float]
    camera: F64
    weather: light.Light
    lens: light.Lens


def drive_frame(seed: int, index: int, width_px: int = 512, height_px: int = 256) -> WorldFrame:
    """Renders scene `index` of the series `seed`; scenes are independent of one another."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    world = _random_world(rng, width_px, height_px, 0.0)
    return _render(world, 0.0, np.zeros(4), rng, FIRST_STAMP_NS)


def drive_sequence(
    seed: int, length: int, rate_hz: float = 10.0, width_px: int = 512, height_px: int = 256
) -> Iterator[WorldFrame]:
    """Renders a drive of `length` frames through one world, 1 / rate_hz apart, as the camera
    sways."""
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
    # The ground must come first: _render identifies it by index 0.
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
    solid_index = hits.solid.ravel()[hits.pixels]
    on_ground = slice(0, int(np.searchsorted(solid_index, 1)))  # hits are sorted by solid
    sd = world.road.locate(*hits.local_m[on_ground, :2].T.astype(np.float64))
    zone = world.road.zones(*sd)
    label = np.array([x.look.label for x in solids], np.uint8)[solid_index]
    label[on_ground] = ZONE_LABELS[zone]
    owner = np.array([x.owner for x in solids], np.uint16)[solid_index]
    color, gloss, glow = textures.paint_all(hits, solids, world.weather.lamps_on)
    color[on_ground] = textures.ground(zone, *sd, world.weather.offset, world.road.grass)
    viewpoint = world.intrinsics, pose
    solid = [x for x in world.still if x.kind in (BLOCK, ELLIPSOID)]
    casters = [*boxes, *(x for x in solid if x.center_m[0] < SHADOWS_TO_M)]
    sunny, open_sky = light.ground_shading(hits, boxes, casters, world.weather, viewpoint)
    linear = light.illuminate(
        (color, gloss, glow), hits, sunny, open_sky, world.weather, viewpoint
    )
    objects = [(actor.kind, box) for actor, box in zip(world.actors, boxes, strict=True)]
    owners = image_of(hits, owner)
    instances, truth, visible, truncated = truth_of(objects, DRIVE_BOXES, hits, owners, viewpoint)
    return WorldFrame(
        rgb=light.expose(linear, world.lens, rng),
        labels=image_of(hits, label, parts.SKY),
        instances=instances,
        depth_m=hits.depth_m.astype(np.float32),
        normals=image_of(hits, hits.normals_optical),
        boxes=truth,
        visible=visible,
        truncated=truncated,
        intrinsics=world.intrinsics,
        world_from_optical=pose,
        stamp_ns=stamp_ns,
    )


def _camera_pose(world: _World, time_s: float, sway: F64) -> F64:
    """Returns world_from_optical (4, 4); `sway` is added to world.camera."""
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
