"""Scores of boxes by class and by distance, with boxes whose errors can be read off."""

import numpy as np

from mtscene_ros.classes import DRIVE_BOXES
from mtscene_ros.evaluate.boxes_meter import BoxesMeter
from mtscene_ros.types import Boxes3D

NAMES = [c.name for c in DRIVE_BOXES]


def boxes(*rows: tuple[int, float, tuple[float, float, float]]) -> Boxes3D:
    """(class, score, centre) each; 4 x 2 x 1.5 m along the axes."""
    count = len(rows)
    return Boxes3D(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float64).reshape(count, 3),
        np.tile([4.0, 2.0, 1.5], (count, 1)),
        np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)),
        DRIVE_BOXES,
    )


def test_a_box_at_the_border_of_two_ranges_belongs_to_the_nearer() -> None:
    meter = BoxesMeter(NAMES)
    meter.update(boxes((0, 0.5, (0, 0, 10))), boxes((0, 1, (0, 0, 10))))
    assert [(row['from_m'], row['to_m'], row['found']) for row in meter.by_distance()] == [
        (0.0, 10.0, 1)
    ]
