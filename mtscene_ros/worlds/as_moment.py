"""Converts generated frames to the moments of a recording."""

from __future__ import annotations

import numpy as np

from mtscene_ros.datasets.moments import BASE_FROM_OPTICAL_AXES, Moment
from mtscene_ros.worlds.frame import WorldFrame


def moment_from_world(frame: WorldFrame) -> Moment:
    """Converts a generated frame. The camera sits at the origin of base_link, level with it at the
    first frame."""
    base_from_optical = np.eye(4)
    base_from_optical[:3, :3] = BASE_FROM_OPTICAL_AXES
    return Moment(
        stamp_ns=frame.stamp_ns,
        rgb=frame.rgb,
        intrinsics=frame.intrinsics,
        boxes=frame.boxes,
        ids=[''] * len(frame.boxes),
        base_from_optical=base_from_optical,
        labels=frame.labels,
        depth_m=frame.depth_m,
        classes=frame.classes,
        map_from_base=frame.world_from_optical @ np.linalg.inv(base_from_optical),
    )
