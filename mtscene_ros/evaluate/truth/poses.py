"""Reads TF from a recording: poses between frames at a given time, without tf2."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, relative

F64 = NDArray[np.float64]
MAX_SAMPLES = 20_000  # of one transform: a minute at 300 Hz
LONGEST_CHAIN = 100


@dataclass(slots=True, eq=False)
class Link:
    """parent_from_child over time; a static link has one sample, which always holds."""

    parent: str
    is_static: bool
    stamps_ns: list[int] = field(default_factory=list)
    samples: list[tuple[F64, F64]] = field(default_factory=list)  # (3,) metres, (4,) x y z w

    def add(self, stamp_ns: int, shift_m: F64, quaternion: F64) -> None:
        at = bisect_left(self.stamps_ns, stamp_ns)
        if at < len(self.stamps_ns) and self.stamps_ns[at] == stamp_ns:
            self.samples[at] = shift_m, quaternion
            return
        self.stamps_ns.insert(at, stamp_ns)
        self.samples.insert(at, (shift_m, quaternion))
        if len(self.stamps_ns) > MAX_SAMPLES:
            del self.stamps_ns[: MAX_SAMPLES // 2], self.samples[: MAX_SAMPLES // 2]

    def at(self, stamp_ns: int) -> F64 | None:
        """Returns the interpolated (4, 4) pose, None before the first and after the last one."""
        if self.is_static:
            return matrix(*self.samples[-1])
        at = bisect_left(self.stamps_ns, stamp_ns)
        if at == len(self.stamps_ns):
            return None
        if self.stamps_ns[at] == stamp_ns:
            return matrix(*self.samples[at])
        if at == 0:
            return None
        (shift, turn), (next_shift, next_turn) = self.samples[at - 1 : at + 1]
        before_ns, after_ns = self.stamps_ns[at - 1 : at + 1]
        share = (stamp_ns - before_ns) / (after_ns - before_ns)
        return matrix(shift + share * (next_shift - shift), slerp(turn, next_turn, share))


class Poses:
    """The transforms of a recording, collected while it is read."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    def add(self, transforms: Iterable[Any], *, is_static: bool) -> None:
        """Adds geometry_msgs/TransformStamped messages."""
        for stamped in transforms:
            child, parent = stamped.child_frame_id.strip('/'), stamped.header.frame_id.strip('/')
            link = self._links.get(child)
            if link is None or link.parent != parent or link.is_static != is_static:
                self._links[child] = link = Link(parent, is_static)
            t, q = stamped.transform.translation, stamped.transform.rotation
            stamp = stamped.header.stamp
            stamp_ns = 0 if is_static else int(stamp.sec) * 10**9 + int(stamp.nanosec)
            link.add(stamp_ns, np.array([t.x, t.y, t.z]), np.array([q.x, q.y, q.z, q.w]))

    def chain(self, frame: str) -> list[str]:
        """Returns the frame and its ancestors."""
        frames = [frame.strip('/')]
        while frames[-1] in self._links and len(frames) < LONGEST_CHAIN:
            frames.append(self._links[frames[-1]].parent)
        return frames

    def fixed_frame(self, frame: str) -> str:
        """Returns the topmost ancestor in which the frame moves, '' if it is unknown."""
        frames = self.chain(frame)
        moves = any(not self._links[f].is_static for f in frames[:-1])
        return frames[-1] if moves else ''

    def pose(self, target: str, source: str, stamp_ns: int) -> F64 | None:
        """Returns the (4, 4) pose target_from_source, None where TF does not have it then."""
        ups = [self.chain(target), self.chain(source)]
        common = next((frame for frame in ups[1] if frame in ups[0]), None)
        if common is None:
            return None
        below = [self._up(frames[: frames.index(common)], stamp_ns) for frames in ups]
        if below[0] is None or below[1] is None:
            return None
        return relative(below[0], below[1])

    def _up(self, frames: list[str], stamp_ns: int) -> F64 | None:
        """Returns common_from_frames[0], through the parents."""
        found = np.eye(4)
        for frame in frames:
            step = self._links[frame].at(stamp_ns)
            if step is None:
                return None
            found = step @ found
        return found


def matrix(shift_m: F64, quaternion: F64) -> F64:
    found = np.eye(4)
    found[:3, :3] = matrix_from_quaternion(quaternion / np.linalg.norm(quaternion))
    found[:3, 3] = shift_m
    return found


def slerp(a: F64, b: F64, share: float) -> F64:
    """Interpolates between unit quaternions along the shorter way (Shoemake, SIGGRAPH 1985)."""
    cosine = float(a @ b)
    if cosine < 0:
        b, cosine = -b, -cosine
    if cosine > 0.9995:  # linear interpolation, because the sine would cancel
        return np.asarray(a + share * (b - a))
    angle = np.arccos(cosine)
    return np.asarray(
        (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    )
