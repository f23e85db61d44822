"""The drive world: random street scenes with traffic, each with its truth. Deterministic in (seed, index)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.classes import DRIVE_BOXES
from mtscene_ros.geometry import box_corners, quaternion_from_matrix
from mtscene_ros.types import Boxes3D, Intrinsics
from mtscene_ros.worlds import appearance, raycast, street, vehicles
from mtscene_ros.worlds.frame import WorldFrame
from mtscene_ros.worlds.raycast import BLOCK, ELLIPSOID, F64, OPTICAL_FROM_CAMERA, PLANE, Hits, Solid
from mtscene_ros.worlds.road import ZONE_LABELS, Road, random_road
from mtscene_ros.worlds.two_wheelers import bicycle, motorcycle

FIRST_STAMP_NS = 1_700_000_000_000_000_000
CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE, PERSON = range(7)
_BUILD = {CAR: vehicles.car, TRUCK: vehicles.truck, BUS: vehicles.bus, TRAIN: vehicles.train,
          MOTORCYCLE: motorcycle, BICYCLE: bicycle, PERSON: vehicles.person}
_SKY = 10
_GROUND = Solid(PLANE, np.zeros(3), np.ones(3), look=vehicles.Look((0, 0, 0), vehicles.GROUND, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A road user: parts about its own origin, place (s, d) and heading relative to the road, speed along it."""

    kind: int
    parts: list[Solid]
    s: float
    d: float
    turned: float
    speed_mps: float

    def pose(self, road: Road, time_s: float) -> tuple[F64, F64]:
        """world_from_object rotation (3, 3) and origin (3,)."""
        step = self.speed_mps * time_s
        s, d = self.s + step * np.cos(self.turned), self.d + step * np.sin(self.turned)
        x, y, heading = road.place(s, d)
        return street.turn(heading + self.turned), np.array([x, y, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class World:
    road: Road
    still: list[Solid]
    actors: list[Actor]
    intrinsics: Intrinsics
    ego_s: float
    ego_d: float
    ego_speed_mps: float
    camera: tuple[float, float, float, float]  # height m, yaw, pitch, roll rad
    light: appearance.Light
    lens: appearance.Lens


def drive_frame(seed: int, index: int, width_px: int = 512, height_px: int = 256) -> WorldFrame:
    """Scene number `index` of the family `seed`: independent of all others."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    world = _random_world(rng, width_px, height_px, 0.0)
    return _render(world, 0.0, np.zeros(4), rng, FIRST_STAMP_NS)


def drive_sequence(seed: int, length: int, rate_hz: float = 10.0, width_px: int = 512,
                   height_px: int = 256) -> Iterator[WorldFrame]:
    """A drive of `length` frames through one world, 1 / rate_hz apart; the camera sways a little."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0, 1])))
    world = _random_world(rng, width_px, height_px, length / rate_hz)
    phase, size = rng.uniform(0, 2 * np.pi, 4), np.array([0.015, 0.006, 0.006, 0.004])
    for i in range(length):
        time_s = i / rate_hz
        sway = size * (np.sin(phase + time_s * np.array([7.0, 0.6, 5.0, 3.0])) - np.sin(phase))
        yield _render(world, time_s, sway, rng, FIRST_STAMP_NS + round(i * 1e9 / rate_hz))


def _random_camera(rng: np.random.Generator, width: int, height: int) -> Intrinsics:
    focal = rng.uniform(0.7, 1.4) * width
    u, v = rng.normal(0, 0.015, 2) * width
    return Intrinsics(width, height, focal, focal * float(rng.normal(1, 0.004)), (width - 1) / 2 + u, (height - 1) / 2 + v)


def _random_world(rng: np.random.Generator, width: int, height: int, duration_s: float) -> World:
    road = random_road(rng)
    lane = int(rng.integers(road.lanes[0]))
    ego_d = road.sign(0) * (lane + 0.5) * road.lane_m + rng.normal(0, 0.2)
    speed = float(rng.uniform(4, 14)) if duration_s else 0.0
    furniture = street.furniture(rng, road)
    taken = [_Claim(np.array([[0.0, ego_d]]), np.array([[speed, 0.0]]), 3.0, 1.1)]
    taken += [_Claim(np.array([[s, d]]), np.zeros((1, 2)), r, r) for s, d, r, _ in furniture]
    actors = _traffic(rng, road, taken, speed, duration_s)
    still = [_GROUND, *street.surroundings(rng, road), *(x for item in furniture for x in item[3])]
    camera = (rng.uniform(1.2, 2.2), rng.normal(0, 0.05), rng.normal(0.02, 0.03), rng.normal(0, 0.012))
    return World(road, still, actors, _random_camera(rng, width, height), 0.0, ego_d, speed, camera,
                 appearance.random_light(rng), appearance.random_lens(rng))


@dataclass(frozen=True, slots=True, eq=False)
class _Claim:
    """Ground that something occupies: centre (1, 2) in (s, d), its velocity, half extents along s and d."""

    at: F64
    velocity: F64
    half_s: float
    half_d: float

    def meets(self, other: _Claim, times: F64) -> bool:
        apart = np.abs(self.at - other.at + times[:, None] * (self.velocity - other.velocity))
        close = (apart[:, 0] < self.half_s + other.half_s + 0.3) & (apart[:, 1] < self.half_d + other.half_d + 0.12)
        return bool(close.any())


def _traffic(rng: np.random.Generator, road: Road, taken: list[_Claim], ego_speed: float, duration_s: float) -> list[Actor]:
    """Up to 12 road users that never touch each other, the ego car or the street furniture."""
    wanted, actors = int(rng.integers(0, 16)), []
    times = np.arange(0, duration_s + 0.2, 0.2) if duration_s else np.zeros(1)
    lane_speeds = {side: ego_speed * rng.uniform(0.6, 1.2) if duration_s else 0.0 for side in (0, 1)}
    kinds = np.array([0.37, 0.09, 0.08, 0.0, 0.11, 0.13, 0.22])
    queue = [int(k) for k in rng.choice(7, wanted, p=kinds)]
    if road.track_d_m is not None and rng.random() < 0.7:
        queue.append(TRAIN)
    for kind in queue:
        parts, low, high = _centred(_BUILD[kind](rng))
        for _ in range(8 if len(actors) < 12 else 0):
            s, d, turned, speed = _spot(rng, road, kind, float(high[1]), lane_speeds, bool(duration_s))
            c, n = abs(np.cos(turned)), abs(np.sin(turned))
            half_s, half_d = c * high[0] + n * high[1], n * high[0] + c * high[1]
            velocity = speed * np.array([[np.cos(turned), np.sin(turned)]])
            bow = abs(road.curvature) * half_s**2
            claim = _Claim(np.array([[s, d]]), velocity, float(half_s), float(half_d + bow))
            if s - half_s > 4.0 and not any(claim.meets(t, times) for t in taken):
                taken.append(claim)
                actors.append(Actor(kind, parts, s, d, turned, speed))
                break
    return actors


def _centred(parts: list[Solid]) -> tuple[list[Solid], F64, F64]:
    """Parts moved so that their tight box stands centred over the origin on the ground, and its bounds."""
    low = np.min([p.center_m - raycast.extent(p) for p in parts], 0)
    high = np.max([p.center_m + raycast.extent(p) for p in parts], 0)
    shift = np.array([*(low + high)[:2] / 2, low[2]])
    return [replace(p, center_m=p.center_m - shift) for p in parts], low - shift, high - shift


def _spot(rng: np.random.Generator, road: Road, kind: int, half_width: float, lane_speeds: dict[int, float],
          moving: bool) -> tuple[float, float, float, float]:
    """Where such a road user might be: s, d, heading relative to the road, speed."""
    s = float(4 + (76 if kind <= TRAIN else 54) * rng.random() ** 1.5)
    side = int(rng.integers(2))
    sign = road.sign(side)
    along = (0.0 if side == 0 else np.pi) + rng.normal(0, 0.03)
    if kind == TRAIN and road.track_d_m is not None:
        s = float(rng.uniform(20, 80))
        return s, road.track_d_m, 0.0 if rng.random() < 0.5 else np.pi, float(rng.uniform(5, 20) * moving)
    if kind == PERSON:
        walk = rng.uniform(0.6, 1.7) * moving
        if rng.random() < 0.25 and not moving:  # on the carriageway, crossing
            edges = road.edge_m(0), road.edge_m(1)
            return s, float(rng.uniform(-1, 1) * min(edges)), rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.3), 0.0
        room = max(road.pavement_m[side], 1.2)
        d = sign * (road.edge_m(side) + rng.uniform(0.4, max(room - 0.3, 0.5)))
        turned = rng.choice([0, np.pi]) + rng.normal(0, 0.02 if moving else 0.5)
        return s, float(d), float(turned), float(walk)
    if road.parking_m[side] > 0 and half_width < 1.15 and kind in (CAR, MOTORCYCLE) and rng.random() < 0.5:
        return s, float(sign * (road.edge_m(side) - half_width - 0.15)), along, 0.0
    if road.crossing_m is not None and rng.random() < 0.25 and not moving:
        way = rng.choice([-1, 1])
        at = road.crossing_m[0] + way * road.crossing_m[1] * 0.5 + rng.normal(0, 0.2)
        return float(at), float(rng.uniform(-12, 12)), way * np.pi / 2 + rng.normal(0, 0.1), 0.0
    if kind == BICYCLE and rng.random() < 0.6:
        d = sign * (road.lanes[side] * road.lane_m - rng.uniform(0.4, 0.8))
    else:
        d = sign * (int(rng.integers(road.lanes[side])) + 0.5) * road.lane_m + rng.normal(0, 0.15)
    return s, float(d), along if not moving else round(along / np.pi) * np.pi, lane_speeds[side]


def _render(world: World, time_s: float, sway: F64, rng: np.random.Generator, stamp_ns: int) -> WorldFrame:
    road, size = world.road, world.intrinsics
    world_from_optical = _camera_pose(world, time_s, sway)
    poses = [a.pose(road, time_s) for a in world.actors]
    solids = list(world.still)
    for k, (actor, (rotation, origin)) in enumerate(zip(world.actors, poses, strict=True)):
        solids += [replace(p, center_m=rotation @ p.center_m + origin, world_from_local=rotation @ p.world_from_local,
                           owner=k + 1) for p in actor.parts]
    hits = raycast.cast(solids, size, world_from_optical)
    of = hits.solid.ravel()[hits.pixels]
    on_ground = of == 0
    ground = hits.local_m[on_ground].astype(np.float64)
    s, d = road.locate(ground[:, 0], ground[:, 1])
    zone = road.zones(s, d)
    labels = np.full(hits.solid.size, _SKY, np.uint8)
    labels[hits.pixels] = np.array([x.look.label for x in solids], np.uint8)[of]
    labels[hits.pixels[on_ground]] = ZONE_LABELS[zone]
    bounds = [_bounds(a, r, o) for a, (r, o) in zip(world.actors, poses, strict=True)]
    linear = _shade(world, hits, solids, world_from_optical, on_ground, ground, zone, (s, d), bounds)
    owners = np.zeros(hits.solid.size, np.uint16)
    owners[hits.pixels] = np.array([x.owner for x in solids], np.uint16)[of]
    normals = np.zeros((hits.solid.size, 3), np.float32)
    normals[hits.pixels] = hits.normals_optical
    shape = hits.solid.shape
    instances, boxes, visible, truncated = _truth(world, bounds, hits, owners.reshape(shape), world_from_optical)
    return WorldFrame(
        rgb=appearance.expose(linear, world.lens, rng), labels=labels.reshape(shape), instances=instances,
        depth_m=hits.depth_m.astype(np.float32), normals=normals.reshape(*shape, 3), boxes=boxes, visible=visible,
        truncated=truncated, intrinsics=size, world_from_optical=world_from_optical, stamp_ns=stamp_ns,
    )


def _camera_pose(world: World, time_s: float, sway: F64) -> F64:
    """world_from_optical (4, 4); sway: height, yaw, pitch, roll added."""
    x, y, heading = world.road.place(world.ego_s + world.ego_speed_mps * time_s, world.ego_d)
    height, yaw, pitch, roll = np.array(world.camera) + sway
    c, n = np.cos([pitch, roll]), np.sin([pitch, roll])
    tilt = np.array([[c[0], 0, n[0]], [0, 1, 0], [-n[0], 0, c[0]]]) @ np.array([[1, 0, 0], [0, c[1], -n[1]], [0, n[1], c[1]]])
    pose = np.eye(4)
    pose[:3, :3] = street.turn(heading + yaw) @ tilt @ OPTICAL_FROM_CAMERA.T
    pose[:3, 3] = x, y, height
    return pose


def _bounds(actor: Actor, rotation: F64, origin: F64) -> Solid:
    """The actor's tight box as a solid in the world."""
    half = np.max([p.center_m + raycast.extent(p) for p in actor.parts], 0)
    half[2] /= 2
    return Solid(BLOCK, origin + rotation @ np.array([0, 0, half[2]]), half, rotation)


def _shade(world: World, hits: Hits, solids: list[Solid], world_from_optical: F64, on_ground: NDArray[np.bool_],
           ground: F64, zone: NDArray[np.int64], ground_sd: tuple[F64, F64], bounds: list[Solid]) -> NDArray[np.float32]:
    light, size = world.light, world.intrinsics
    rotation = world_from_optical[:3, :3]
    x = (np.arange(size.width_px) - size.cx_px) / size.fx_px
    y = (np.arange(size.height_px) - size.cy_px) / size.fy_px
    rays = np.stack([*np.broadcast_arrays(x, y[:, None]), np.ones(hits.solid.shape)], -1).reshape(-1, 3)
    rays = rays @ rotation.T
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    linear = np.empty((hits.solid.size, 3))
    empty = np.flatnonzero(hits.solid.ravel() < 0)
    linear[empty] = appearance.sky(rays[empty], light)
    color, gloss, glow = appearance.albedo(hits, solids, zone, ground_sd, light, world.road.grass)
    normals = hits.normals_optical @ rotation.T
    sunny, open_ = np.ones(len(color), np.float32), np.ones(len(color), np.float32)
    casters = [*bounds, *(c for c in world.still[1:] if c.kind in (BLOCK, ELLIPSOID) and c.center_m[0] < 120)]
    close = np.flatnonzero(on_ground)[ground[:, 0] < 90]  # beyond, shadows are thinner than pixels
    here = hits.local_m[close]
    if light.sunlight.max() > 0.2:
        sunny[close] = appearance.shadow(here, casters, light)
    open_[close] = appearance.contact(here, bounds)
    direct = np.maximum(normals @ light.sun, 0) * sunny
    lit = direct[:, None] * light.sunlight + ((0.55 + 0.45 * normals[:, 2]) * open_)[:, None] * light.skylight
    seen = color * lit + glow[:, None] * color
    shiny = np.flatnonzero(gloss > 0)
    way, n = rays[hits.pixels[shiny]], normals[shiny]
    mirrored = way - 2 * (way * n).sum(1, keepdims=True) * n
    facing = 1 - np.abs((way * n).sum(1))
    share = (gloss[shiny] * (0.3 + 0.7 * facing**2))[:, None]
    reflection = np.where(mirrored[:, 2:] > 0, light.haze * 0.5 + light.zenith * 0.5, 0.12)
    seen[shiny] = seen[shiny] * (1 - share) + share * reflection
    clear = np.exp(-light.fog_per_m * hits.depth_m.ravel()[hits.pixels])[:, None]
    linear[hits.pixels] = seen * clear + light.haze * (1 - clear)
    return linear.reshape(*hits.solid.shape, 3).astype(np.float32) * np.float32(0.8)


def _truth(world: World, bounds: list[Solid], hits: Hits, owners: NDArray[np.uint16], world_from_optical: F64
           ) -> tuple[NDArray[np.uint16], Boxes3D, NDArray[np.float32], NDArray[np.float32]]:
    """Instances renumbered to the seen boxes, the boxes, their visible and truncated shares."""
    count = np.bincount(owners.ravel(), minlength=len(bounds) + 1)[1:]
    kept = np.flatnonzero(count)
    number = np.zeros(len(bounds) + 1, np.uint16)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    optical_from_world = world_from_optical[:3, :3].T
    centers = np.array([bounds[k].center_m for k in kept]).reshape(-1, 3) - world_from_optical[:3, 3]
    rotations = optical_from_world @ np.array([bounds[k].world_from_local for k in kept]).reshape(-1, 3, 3)
    boxes = Boxes3D(
        np.array([world.actors[k].kind for k in kept], np.int64), np.ones(len(kept), np.float32),
        centers @ optical_from_world.T, np.array([2 * bounds[k].half_m for k in kept]).reshape(-1, 3),
        quaternion_from_matrix(rotations), DRIVE_BOXES,
    )
    whole = np.array([hits.silhouettes[int(k) + 1].sum() for k in kept])
    visible = (count[kept] / np.maximum(whole, 1)).astype(np.float32)
    corners = box_corners(boxes.centers_m, boxes.sizes_m, rotations)
    return number[owners], boxes, visible, _truncated(corners, world.intrinsics)


def _truncated(corners: F64, size: Intrinsics) -> NDArray[np.float32]:
    """Share of each projected box's bounding rectangle outside the image; corners behind are put at the near plane."""
    z = np.maximum(corners[..., 2], raycast.NEAR_M)
    u = corners[..., 0] / z * size.fx_px + size.cx_px + 0.5
    v = corners[..., 1] / z * size.fy_px + size.cy_px + 0.5
    low, high = np.stack([u.min(-1), v.min(-1)], -1), np.stack([u.max(-1), v.max(-1)], -1)
    frame = np.array([size.width_px, size.height_px], np.float64)
    inside = np.maximum(np.minimum(high, frame) - np.maximum(low, 0), 0).prod(-1)
    return (1 - inside / np.maximum((high - low).prod(-1), 1e-9)).clip(0, 1).astype(np.float32)
