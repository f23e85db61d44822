"""The figure world: posed persons near the camera, with body parts and saliency.

Labels are those of PASCAL_21. Backgrounds are rooms, or open ground with trees, houses and cars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mtscene_ros.datasets.classes import CITYSCAPES_19, FIGURE_BOXES, NYUD_40, PASCAL_21
from mtscene_ros.types import Intrinsics, SemanticClass
from mtscene_ros.worlds import light, parts, raycast, textures, vehicles
from mtscene_ros.worlds.body import Body, Pair, Pose, posed_solids, random_body, walking_solids
from mtscene_ros.worlds.frame import FIRST_STAMP_NS, WorldFrame
from mtscene_ros.worlds.furnishing import Room, is_occupied
from mtscene_ros.worlds.household import Rng
from mtscene_ros.worlds.lamplight import Lamps, illuminate_indoors
from mtscene_ros.worlds.parts import Look, ball, box, centred, placed, rod, turn
from mtscene_ros.worlds.raycast import Hits
from mtscene_ros.worlds.room import random_room
from mtscene_ros.worlds.solid import BLOCK, F32, F64, PLANE, Solid
from mtscene_ros.worlds.truth import image_of, truth_of

PERSON = 15  # class id in PASCAL_21
Viewpoint = tuple[Intrinsics, F64]
_SAME_AS = {'chair': 'chair', 'sofa': 'sofa', 'table': 'dining table', 'television': 'tv monitor'}
_SAME_AS |= {'person': 'person', 'car': 'car', 'bus': 'bus', 'truck': 'car'}
_POSES = (
    Pose(),
    Pose(hips=(1.0, -0.4), knees=(1.0, 0.4), shoulders=(-0.5, 0.9), elbows=(0.5, 0.9)),  # lunge
    Pose(lean=0.6, hips=(1.9, 1.9), knees=(2.2, 2.2), shoulders=(1.0, 1.0)),  # crouch
    Pose(shoulders=(2.9, 2.6), elbows=(0.2, 0.4), spreads=(0.3, 0.2)),  # reaching up
    Pose(spreads=(1.5, 1.4), elbows=(0.0, 0.0), straddles=(0.35, 0.35)),  # star jump
    Pose(hips=(0.9, -0.6), knees=(1.2, 1.3), shoulders=(-0.9, 1.0), elbows=(1.5, 1.5), lean=0.2),
    Pose(lean=1.2, shoulders=(1.3, 1.3), knees=(0.2, 0.2)),  # bending down
    Pose(spreads=(0.6, 0.1), shoulders=(0.2, 2.2), elbows=(2.0, 0.9)),  # waving
)


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A person at (x, y), turned by an angle in rad, who walks or moves between two poses."""

    body: Body
    poses: tuple[Pose, Pose] | None
    at_m: tuple[float, float]
    turned: float
    speed_mps: float

    def solids(self, time_s: float) -> tuple[list[Solid], F64]:
        """Returns the solids, standing on z = 0 at the origin and facing along x, and half the
        size of their tight box."""
        if self.poses is None:
            return centred(walking_solids(self.body, self.speed_mps * time_s))
        share = 0.5 - 0.5 * np.cos(1.5 * time_s + self.body.phase_rad)
        return centred(posed_solids(self.body, interpolated(*self.poses, float(share))))


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """solids: ground first; light: Lamps of a room or outdoor Light; room: None outdoors."""

    solids: list[Solid]
    light: Lamps | light.Light
    pose: F64
    room: Room | None = None

    def is_free(self, at_m: F64) -> bool:
        """Tells whether a person may stand at (x, y)."""
        if self.room is None:
            return True
        inside = (at_m > 0.35).all() and (at_m < self.room.size_m[:2] - 0.35).all()
        return bool(inside) and not is_occupied(self.room, at_m, np.full(2, 0.2))


def figure_frame(seed: int, index: int, width_px: int = 512, height_px: int = 512) -> WorldFrame:
    """Renders picture `index` of the series `seed`; pictures are independent of one another."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, 4])))
    backdrop, figures, camera, lens = random_scene(rng, width_px, height_px)
    return render(backdrop, figures, 0.0, camera, lens, rng)


def figure_sequence(
    seed: int, length: int, rate_hz: float = 10.0, width_px: int = 512, height_px: int = 512
) -> Iterator[WorldFrame]:
    """Renders `length` frames, 1 / rate_hz apart: the camera rests while the figures move."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0, 5])))
    backdrop, figures, camera, lens = random_scene(rng, width_px, height_px)
    for i in range(length):
        yield render(backdrop, figures, i / rate_hz, camera, lens, rng)


def random_scene(
    rng: Rng, width: int, height: int
) -> tuple[Backdrop, list[Figure], Intrinsics, light.Lens]:
    backdrop = indoors(rng) if rng.random() < 0.5 else outdoors(rng)
    fx, (u, v) = rng.uniform(0.8, 1.5) * max(width, height), rng.normal(0, 0.01, 2) * width
    camera = Intrinsics(width, height, fx, fx, (width - 1) / 2 + u, (height - 1) / 2 + v)
    figures: list[Figure] = []
    wanted = int(rng.integers(1, 4))
    for _ in range(12):
        figure = random_figure(rng, backdrop.pose, camera)
        apart = [np.hypot(*np.subtract(figure.at_m, other.at_m)) for other in figures]
        clear = backdrop.is_free(np.array(figure.at_m)) and min(apart, default=9.0) > 1.2
        if clear and len(figures) < wanted:
            figures.append(figure)
    return backdrop, figures, camera, light.random_lens(rng)


def random_figure(rng: Rng, pose: F64, camera: Intrinsics) -> Figure:
    """Draws a person in front of the camera, mostly inside the image."""
    far = rng.uniform(1.6, 5.0)
    aside = rng.uniform(-0.35, 0.35) * far * camera.width_px / camera.fx_px
    ahead = pose[:2, 2] / np.hypot(*pose[:2, 2])
    x, y = pose[:2, 3] + far * ahead + aside * np.array([ahead[1], -ahead[0]])
    body, turned = random_body(rng, PERSON), rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.35:
        return Figure(body, None, (x, y), turned, rng.uniform(0.4, 1.2))
    first, second = rng.choice(len(_POSES), 2)
    poses = jittered(rng, _POSES[first]), jittered(rng, _POSES[second])
    return Figure(body, poses, (x, y), turned, 0.0)


def jittered(rng: Rng, pose: Pose) -> Pose:
    """Varies every joint a little; knees and elbows never bend the wrong way."""

    def near(pair: Pair, least: float = -1.2) -> Pair:
        right, left = pair + rng.normal(0, 0.12, 2)
        return max(right, least), max(left, least)

    return Pose(
        lean=pose.lean + rng.normal(0, 0.06),
        hips=near(pose.hips),
        knees=near(pose.knees, 0.0),
        shoulders=near(pose.shoulders),
        spreads=near(pose.spreads),
        elbows=near(pose.elbows, 0.0),
        straddles=near(pose.straddles),
    )


def interpolated(first: Pose, second: Pose, share: float) -> Pose:
    """Interpolates two poses: share 0 gives the first, 1 the second."""

    def mixed(name: str) -> Any:
        return (1 - share) * np.array(getattr(first, name)) + share * np.array(
            getattr(second, name)
        )

    return Pose(**{joint.name: mixed(joint.name) for joint in fields(Pose)})


def indoors(rng: Rng) -> Backdrop:
    room, pose, lamps = random_room(rng)
    return Backdrop(relabelled(room.solids, NYUD_40), lamps, pose, room)


def outdoors(rng: Rng) -> Backdrop:
    """Builds a ground of one material with objects 6 to 30 m away."""
    colors = ((0.12, 0.18, 0.05), (0.16, 0.16, 0.17), (0.4, 0.34, 0.24))
    ground = Look(colors[int(rng.integers(3))], parts.CLOTH, 0)
    solids = [Solid(PLANE, np.zeros(3), np.ones(3), look=ground)]
    for _ in range(int(rng.integers(3, 9))):
        x, y = rng.uniform(7, 30), rng.uniform(-14, 14)
        kind, far = rng.random(), np.array([x, y, 0.0])
        if kind < 0.5:
            solids += placed(tree(rng), np.eye(3), far)
        elif kind < 0.8:
            wall = Look(parts.hue(rng, 0.3, rng.uniform(0.2, 0.7)), parts.FACADE, 0, rng.random())
            half, tall = rng.uniform(2, 7), rng.uniform(3, 12)
            solids.append(box(wall, x + 6, x + 14, y - half, y + half, 0, tall))
        else:
            car, _ = centred(vehicles.car(rng))
            solids += relabelled(placed(car, turn(rng.uniform(0, 6.3)), far), CITYSCAPES_19)
    pose = np.eye(4)
    pose[:3, :3] = turn(rng.normal(0, 0.15)) @ raycast.OPTICAL_FROM_CAMERA.T
    pose[2, 3] = rng.uniform(0.7, 1.8)
    return Backdrop(solids, light.random_light(rng), pose)


def tree(rng: Rng) -> list[Solid]:
    tall = rng.uniform(1.5, 5)
    green = Look(parts.rgb(np.array([0.1, 0.2, 0.04]) * rng.uniform(0.5, 1.4)), parts.FOLIAGE, 0)
    bark = Look((0.13, 0.09, 0.06), parts.CLOTH, 0)
    crown = [
        replace(
            ball(green, (*rng.normal(0, 0.3, 2), tall + k), rng.uniform(0.8, 1.5, 3)), ragged=0.2
        )
        for k in (0.0, 0.8)
    ]
    return [rod(bark, (0, 0, 0), (0, 0, tall), 0.12), *(replace(c, ragged=0.2) for c in crown)]


def relabelled(solids: list[Solid], classes: tuple[SemanticClass, ...]) -> list[Solid]:
    """Gives the solids the ids of PASCAL_21; classes that it lacks become background."""
    ids = {c.name: c.id for c in PASCAL_21}
    table = [ids[_SAME_AS.get(c.name, 'background')] for c in classes]
    return [replace(s, look=replace(s.look, label=table[s.look.label], part=0)) for s in solids]


def render(
    backdrop: Backdrop,
    figures: list[Figure],
    time_s: float,
    camera: Intrinsics,
    lens: light.Lens,
    rng: Rng,
) -> WorldFrame:
    viewpoint = camera, backdrop.pose
    solids, blocks = [replace(s, owner=0) for s in backdrop.solids], []
    for owner, figure in enumerate(figures, 1):
        own, half = figure.solids(time_s)
        rotation = turn(figure.turned)
        origin = np.array([*figure.at_m, 0.0]) + rotation[:, 0] * figure.speed_mps * time_s
        solids += placed(own, rotation, origin, owner)
        blocks.append(Solid(BLOCK, origin + half * [0, 0, 1], half, rotation))
    hits = raycast.cast(solids, *viewpoint)
    solid = hits.solid.ravel()[hits.pixels]
    of_solids = np.array([(s.look.label, s.look.part, s.owner) for s in solids], np.uint8)[solid]
    labels, human_parts, owners = (image_of(hits, column) for column in of_solids.T)
    objects = [(0, block) for block in blocks]
    instances, boxes, visible, truncated = truth_of(
        objects, FIGURE_BOXES, hits, owners.astype(np.uint16), viewpoint
    )
    return WorldFrame(
        rgb=light.expose(illuminated(backdrop, solids, hits, blocks, viewpoint), lens, rng),
        labels=labels,
        instances=instances,
        depth_m=hits.depth_m.astype(np.float32),
        normals=image_of(hits, hits.normals_optical),
        boxes=boxes,
        visible=visible,
        truncated=truncated,
        intrinsics=camera,
        world_from_optical=backdrop.pose,
        stamp_ns=FIRST_STAMP_NS + round(time_s * 1e9),
        classes=PASCAL_21,
        human_parts=human_parts,
        saliency=(owners > 0).astype(np.uint8),
    )


def illuminated(
    backdrop: Backdrop, solids: list[Solid], hits: Hits, blocks: list[Solid], viewpoint: Viewpoint
) -> F32:
    """Returns (3, H, W) linear light."""
    surface = textures.paint_all(hits, solids, lamps_on=True)
    if isinstance(backdrop.light, Lamps):
        ground, floor = light.ground_coordinates(hits)
        open_share = np.ones(len(hits.pixels), np.float32)
        open_sky = light.ambient_occlusion(ground, blocks, *viewpoint)
        open_share[: len(floor)] = open_sky.ravel()[floor]
        return illuminate_indoors(surface, hits, open_share, backdrop.light, viewpoint)
    casters = [s for s in solids if s.kind != PLANE]
    sunny, open_sky = light.ground_shading(hits, blocks, casters, backdrop.light, viewpoint)
    return light.illuminate(surface, hits, sunny, open_sky, backdrop.light, viewpoint)
