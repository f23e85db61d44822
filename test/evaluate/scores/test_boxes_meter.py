"""Boxes over many images: what is demanded, and what several processes have counted."""

import numpy as np
import pytest

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.evaluate.scores.boxes_meter import BoxesMeter
from mtscene_ros.types import Boxes3D

NAMES = [c.name for c in DRIVE_BOXES]


def cars(*depths_m: float) -> Boxes3D:
    """Ahead of the camera, with falling scores."""
    count = len(depths_m)
    centers_m = np.array([[0.0, 1.0, z] for z in depths_m])
    scores = np.linspace(0.9, 0.5, count).astype(np.float32)
    sizes_m, turns = np.tile([4.0, 2.0, 1.5], (count, 1)), np.tile([0.0, 0, 0, 1], (count, 1))
    return Boxes3D(np.zeros(count, np.int64), scores, centers_m, sizes_m, turns, DRIVE_BOXES)


def test_what_is_not_demanded_is_neither_missed_nor_wrong() -> None:
    """Found: 10 m and 20 m, of which 20 m is hidden; missed: 30 m."""
    meter = BoxesMeter(NAMES)
    meter.update(cars(10.0, 20.0), cars(10.0, 20.0, 30.0), np.array([True, False, True]))
    found = meter.by_class()
    assert list(found) == ['car']
    assert (found['car']['truths'], found['car']['recall']) == (2, 0.5)
    assert meter.found['car'].hits == [True]


def test_without_a_mask_every_truth_is_demanded() -> None:
    meter = BoxesMeter(NAMES)
    scores = meter.update(cars(10.0, 20.0), cars(10.0, 20.0, 30.0))
    assert (scores['truths'], scores['recall'], scores['precision']) == (3, 2 / 3, 1)


def test_parts_add_up_to_the_whole() -> None:
    whole, total = BoxesMeter(NAMES), BoxesMeter(NAMES)
    for found, truth in ((cars(10.0), cars(11.0)), (cars(50.0, 30.0), cars(30.0))):
        part = BoxesMeter(NAMES)
        for meter in (whole, part):
            meter.update(found, truth)
        total.add(part.state())
    assert total.by_class() == whole.by_class()
    assert whole.by_class()['car']['distance_m'] == pytest.approx((1 + 0) / 2)


def test_no_truth_no_precision() -> None:
    assert np.isnan(BoxesMeter(NAMES).mean_precision())
