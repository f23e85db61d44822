"""Headings that do not flip: a network often confuses the front of an object with its back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
MOST_VOTES = 5  # boxes; as many the other way round turn an object at last


@dataclass(slots=True, eq=False)
class Heading:
    """The heading of one object; axis: (3,) unit vector in the frame of tracking, None before the
    first box; votes: for this way round."""

    axis: F64 | None = None
    votes: int = 0

    def is_reversed(self, axis: F64) -> bool:
        """Adds the heading of a new box, (3,), and returns whether it is the wrong way round.

        An object turns by less than 90 degrees between two images; more is a vote for the other
        way round, which wins once it has outvoted the earlier boxes.
        """
        if self.axis is None or float(axis @ self.axis) >= 0:
            self.axis, self.votes = axis, min(self.votes + 1, MOST_VOTES)
            return False
        self.votes -= 1
        if self.votes <= 0:
            self.axis, self.votes = axis, 1
            return False
        self.axis = -axis
        return True


def heading_of(quaternion_xyzw: F64) -> F64:
    """Returns the x axis of a box, (3,), in the frame into which the quaternion turns."""
    x, y, z, w = quaternion_xyzw
    return np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])


def turned_back(quaternion_xyzw: F64) -> F64:
    """Returns the orientation of a box that is turned by 180 degrees about its own z axis."""
    x, y, z, w = quaternion_xyzw
    return np.array([y, -x, w, -z])
