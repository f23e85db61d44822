"""Where furniture goes: against walls, on walls, or free, without touching."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtscene_ros.worlds import household as of
from mtscene_ros.worlds.household import Group, Rng
from mtscene_ros.worlds.parts import BRICK, CLOTH, PLAIN, TILES, WOOD, Look, centred, placed, turn
from mtscene_ros.worlds.solid import BLOCK, F64, PLANE, Solid, extent


@dataclass(slots=True, eq=False)
class Room:
    """A room while it is furnished; x in [0, size_m[0]], y in [0, size_m[1]], z up.

    things: class and tight block of what has a box, owner k + 1; floor: centre and half extents of
    taken ground; walls: (wall, first, last, low, top) of taken wall; blocks: of whole groups.
    """

    size_m: F64
    solids: list[Solid]
    things: list[tuple[int, Solid]] = field(default_factory=list)
    blocks: list[Solid] = field(default_factory=list)
    floor: list[tuple[F64, F64]] = field(default_factory=list)
    walls: list[tuple[int, float, float, float, float]] = field(default_factory=list)
    windows_m: list[F64] = field(default_factory=list)

    def wall(self, number: int) -> tuple[F64, F64, float]:
        """Middle of its foot, rotation of a frame whose x points inwards, half its length."""
        x, y = self.size_m[:2]
        middle = [(0, y / 2), (x / 2, 0), (x, y / 2), (x / 2, y)][number]
        half = (y if number % 2 == 0 else x) / 2
        return np.array([*middle, 0.0]), turn(number * np.pi / 2), half


def shell(rng: Rng, size: F64) -> list[Solid]:
    """Floor first: render knows it by its index, 0."""
    kind = rng.random()
    if kind < 0.5:
        ground = Look(of.wood(rng, of.FLOOR).color, WOOD, of.FLOOR, rng.uniform(0.08, 0.2))
    elif kind < 0.75:
        ground = of.pastel(rng, of.FLOOR, TILES, rng.uniform(0.2, 0.6))
    else:
        ground = of.pastel(rng, of.FLOOR, CLOTH)
    material = BRICK if rng.random() < 0.1 else PLAIN
    paper, white = of.pastel(rng, of.WALL, material), of.pastel(rng, of.CEILING, PLAIN)
    ones, middle = np.ones(3), size / 2
    planes = [Solid(PLANE, np.zeros(3), ones, look=ground)]
    over = np.diag([1.0, -1.0, -1.0])
    planes.append(Solid(PLANE, middle * [1, 1, 2], ones, over, look=white))
    for k in range(4):
        x = turn(k * np.pi / 2)[:, 0]
        frame = np.stack([np.cross([0, 0, 1.0], x), [0, 0, 1.0], x], 1)  # local z into the room
        planes.append(Solid(PLANE, middle - x * middle, ones, frame, look=paper))
    return planes


def stand(rng: Rng, room: Room, group: Group, free: bool) -> None:
    """Places a group on the floor where there is room: with its back to a wall, or free."""
    whole, half = centred([solid for _, solids in group for solid in solids])
    shift = whole[0].center_m - group[0][1][0].center_m
    for _ in range(12):
        number = int(rng.integers(4))
        middle, rotation, reach = room.wall(number)
        if half[1] > reach - 0.05 or 2 * half[0] > room.size_m[number % 2] - 0.1:
            continue
        across = rng.uniform(-1, 1) * (reach - half[1] - 0.05)
        inward = half[0] + 0.03
        if free:
            inward = rng.uniform(inward, room.size_m[number % 2] - inward)
        origin = middle + rotation @ np.array([inward, across, 0])
        ground_half = np.abs(rotation[:2, :2]) @ half[:2]
        span = (number, across - half[1], across + half[1], 0.0, 2 * half[2])
        if taken(room, origin[:2], ground_half) or (
            not free and any(meet(span, w) for w in room.walls)
        ):
            continue
        room.floor.append((origin[:2], ground_half))
        if not free:
            room.walls.append(span)
        room.blocks.append(Solid(BLOCK, origin + half * [0, 0, 1], half, rotation))
        put(room, group, rotation, origin + rotation @ shift)
        return


def hang(rng: Rng, room: Room, group: Group, number: int) -> list[F64]:
    """Fixes a group to a wall where it is bare → [its middle], or [] where it found no place."""
    solids = [solid for _, of_thing in group for solid in of_thing]
    high = np.max([s.center_m + extent(s) for s in solids], 0)
    low = np.min([s.center_m - extent(s) for s in solids], 0)
    half = float(max(high[1], -low[1]))
    middle, rotation, reach = room.wall(number)
    if half > reach - 0.05 or high[2] > room.size_m[2] - 0.02:
        return []
    for _ in range(6):
        across = rng.uniform(-1, 1) * (reach - half - 0.05)
        span = (number, across - half, across + half, float(low[2]), float(high[2]))
        foot = middle + rotation @ np.array([0.45 if low[2] < 0.1 else 0.05, across, 0])
        ground_half = np.abs(rotation[:2, :2]) @ np.array([0.4 if low[2] < 0.1 else 0.0, half])
        blocked = low[2] < 1 and taken(room, foot[:2], ground_half)
        if blocked or any(meet(span, w) for w in room.walls):
            continue
        room.walls.append(span)
        if low[2] < 0.1:  # nothing stands before a door
            room.floor.append((foot[:2], ground_half))
        put(room, group, rotation, middle + rotation @ np.array([0.0, across, 0.0]))
        return [middle + rotation @ np.array([0.3, across, (low[2] + high[2]) / 2])]
    return []


def taken(room: Room, center: F64, half: F64) -> bool:
    return any((np.abs(center - c) < half + h + 0.02).all() for c, h in room.floor)


def meet(
    a: tuple[int, float, float, float, float], b: tuple[int, float, float, float, float]
) -> bool:
    beside = a[1] > b[2] + 0.03 or b[1] > a[2] + 0.03
    return a[0] == b[0] and not beside and not (a[3] > b[4] + 0.03 or b[3] > a[4] + 0.03)


def put(room: Room, group: Group, rotation: F64, origin: F64) -> None:
    """Adds a group's solids, and a tight block for each thing that has a box."""
    for kind, solids in group:
        if kind is None:
            room.solids += placed(solids, rotation, origin)
            continue
        solids = placed(solids, rotation, origin, len(room.things) + 1)
        front = solids[0].world_from_local
        upright, half = centred(placed(solids, front.T, np.zeros(3)))
        corner = front @ (front.T @ solids[0].center_m - upright[0].center_m)
        room.things.append((kind, Solid(BLOCK, corner + half * [0, 0, 1], half, front)))
        room.solids += solids
