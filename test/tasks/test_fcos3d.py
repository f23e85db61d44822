"""The sparse part of the published detection head, with rectangles that can be worked out."""

import math

import numpy as np
import pytest

from mtscene_ros.classes import DRIVE_BOXES
from mtscene_ros.tasks.fcos3d import Fcos3dOptions, LevelGrid, rotated_iou, suppressed_by_class

OPTIONS = Fcos3dOptions(DRIVE_BOXES[:1], (LevelGrid(1, 2, 8.0),), 32.0, 0.25, 10)


@pytest.mark.parametrize('degrees', range(0, 180, 5))
def test_a_rectangle_moved_along_itself_overlaps_by_what_it_is_longer(degrees: int) -> None:
    """4 m long, 1 m further: 3 m of 5 m. Corners lie on the other's sides, up to rounding."""
    turn = math.radians(degrees)
    flat = np.array([[3.0, 20, 2, 4, turn]])
    further = np.array([[3 + math.sin(turn), 20 + math.cos(turn), 2, 4, turn]])
    assert rotated_iou(flat, further) == pytest.approx([0.6])
    assert rotated_iou(flat, flat) == pytest.approx([1.0])


def test_a_score_at_the_threshold_is_left_out() -> None:
    flat = np.array([[0.0, 10, 2, 4, 0], [20, 10, 2, 4, 0]])
    class_ids, kept = suppressed_by_class(flat, np.array([[0.25, 0.5]], np.float32), OPTIONS)
    assert (class_ids.tolist(), kept.tolist()) == ([0], [1])
