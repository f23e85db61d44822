"""Places furniture against walls, on walls or in the open, without collisions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtscene_ros.worlds import household
from mtscene_ros.worlds.household import Group, Rng
from mtscene_ros.worlds.parts import BRICK, CLOTH, PLAIN, TILES, WOOD, Look, centred, placed, turn
from mtscene_ros.worlds.solid import BLOCK, F64, PLANE, Solid, extent


@dataclass(slots=True, eq=False)
class Room:
    """A room that is being furnished: x in [0, size_m[0]], y in [0, size_m[1]], z up.

    objects: class and tight block of every object that has a box, the one with owner k + 1 at
    index k; floor: centre and half extents of each occupied floor area; walls: (wall, first, last,
    low, top) of each occupied wall area; blocks: tight blocks of whole groups.
    """

    size_m: F64
    solids: list[Solid]
    objects: list[tuple[int, Solid]] = field(default_factory=list)
    blocks: list[Solid] = field(default_factory=list)
    floor: list[tuple[F64, F64]] = field(default_factory=list)
    walls: list[tuple[int, float, float, float, float]] = field(default_factory=list)
    windows_m: list[F64] = field(default_factory=list)

    def wall(self, number: int) -> tuple[F64, F64, float]:
        """Returns the middle of the wall's foot, the rotation of a frame whose x points into the
        room, and half the wall's length."""
        x, y = self.size_m[:2]
        middle = [(0, y / 2), (x / 2, 0), (x, y / 2), (x / 2, y)][number]
        half = (y if number % 2 == 0 else x) / 2
        return np.array([*middle, 0.0]), turn(number * np.pi / 2), half


def room_shell(rng: Rng, size: F64) -> list[Solid]:
    """Builds floor, walls and ceiling. The floor comes first: render identifies it by index 0."""
    kind = rng.random()
    if kind < 0.5:
        ground = Look(
            household.wood(rng, household.FLOOR).color,
            WOOD,
            household.FLOOR,
            rng.uniform(0.08, 0.2),
        )
    elif kind < 0.75:
        ground = household.pastel(rng, household.FLOOR, TILES, rng.uniform(0.2, 0.6))
    else:
        ground = household.pastel(rng, household.FLOOR, CLOTH)
    material = BRICK if rng.random() < 0.1 else PLAIN
    paper = household.pastel(rng, household.WALL, material)
    white = household.pastel(rng, household.CEILING, PLAIN)
    ones, middle = np.ones(3), size / 2
    planes = [Solid(PLANE, np.zeros(3), ones, look=ground)]
    over = np.diag([1.0, -1.0, -1.0])
    planes.append(Solid(PLANE, middle * [1, 1, 2], ones, over, look=white))
    for k in range(4):
        x = turn(k * np.pi / 2)[:, 0]
        # local z points into the room
        frame = np.stack([np.cross([0, 0, 1.0], x), [0, 0, 1.0], x], 1)
        planes.append(Solid(PLANE, middle - x * middle, ones, frame, look=paper))
    return planes


def place_on_floor(rng: Rng, room: Room, group: Group, free: bool) -> None:
    """Places a group on the floor where it fits: with its back to a wall, or free-standing."""
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
        if is_occupied(room, origin[:2], ground_half) or (
            not free and any(overlap(span, w) for w in room.walls)
        ):
            continue
        room.floor.append((origin[:2], ground_half))
        if not free:
            room.walls.append(span)
        room.blocks.append(Solid(BLOCK, origin + half * [0, 0, 1], half, rotation))
        add_group(room, group, rotation, origin + rotation @ shift)
        return


def place_on_wall(rng: Rng, room: Room, group: Group, number: int) -> list[F64]:
    """Fixes a group to a free part of a wall. Returns [its middle], or [] if it fits nowhere."""
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
        blocked = low[2] < 1 and is_occupied(room, foot[:2], ground_half)
        if blocked or any(overlap(span, w) for w in room.walls):
            continue
        room.walls.append(span)
        if low[2] < 0.1:  # keep the floor in front of a door free
            room.floor.append((foot[:2], ground_half))
        add_group(room, group, rotation, middle + rotation @ np.array([0.0, across, 0.0]))
        return [middle + rotation @ np.array([0.3, across, (low[2] + high[2]) / 2])]
    return []


def is_occupied(room: Room, center: F64, half: F64) -> bool:
    return any((np.abs(center - c) < half + h + 0.02).all() for c, h in room.floor)


def overlap(
    a: tuple[int, float, float, float, float], b: tuple[int, float, float, float, float]
) -> bool:
    beside = a[1] > b[2] + 0.03 or b[1] > a[2] + 0.03
    return a[0] == b[0] and not beside and not (a[3] > b[4] + 0.03 or b[3] > a[4] + 0.03)


def add_group(room: Room, group: Group, rotation: F64, origin: F64) -> None:
    """Adds a group's solids, and a tight block for each object that has a box."""
    for kind, solids in group:
        if kind is None:
            room.solids += placed(solids, rotation, origin)
            continue
        solids = placed(solids, rotation, origin, len(room.objects) + 1)
        front = solids[0].world_from_local
        upright, half = centred(placed(solids, front.T, np.zeros(3)))
        corner = front @ (front.T @ solids[0].center_m - upright[0].center_m)
        room.objects.append((kind, Solid(BLOCK, corner + half * [0, 0, 1], half, front)))
        room.solids += solids
