"""KITTI's own average precision."""

from pathlib import Path

import numpy as np
import pytest

from mtscene_ros.datasets.kitti import KittiError
from mtscene_ros.datasets.kitti_objects import (
    KittiObjects,
    detections,
    objects_of_rows,
    objects_of_sequence,
)
from mtscene_ros.evaluate.scores.kitti_ap import (
    DIFFICULTIES,
    MIN_OVERLAP,
    average_precisions,
    overlap_from_above,
)
from mtscene_ros.types import Intrinsics

from .kitti_reference import average_precision

ZERO = np.zeros(3)
TYPES = ('Car', 'Van', 'Pedestrian', 'Person_sitting', 'Cyclist', 'Truck', 'DontCare')


def row(kind: str, left: float, height: float = 50, x_m: float = 0, **more: float) -> tuple:
    """A rectangle 100 px wide, and a car of 4 x 2 x 1.5 m that stands at x_m, 20 m ahead."""
    hidden = more.get('truncated', 0), more.get('occluded', 0)
    rectangle = (left, 100, left + 100, 100 + height)
    values = (*hidden, 0, *rectangle, 1.5, 2, 4, x_m, 1.65, 20, 0)
    return kind, np.array(values, float)


def seen(*rows: tuple, scores: tuple[float, ...] = ()) -> KittiObjects:
    made = objects_of_rows(list(rows), ZERO)
    fields = made.types, made.rectangles_px, made.boxes, made.truncated, made.occluded
    return KittiObjects(*fields, np.array(scores or np.zeros(len(rows)), float))


def random_frames(count: int) -> list[tuple[KittiObjects, KittiObjects]]:
    """Objects of every kind, and detections near them; some of these have equal scores."""
    rng, frames = np.random.default_rng(7), []
    for _ in range(count):
        true, found, scores = [], [], []
        for left in np.arange(0, 1200, 120):
            kind, height = rng.choice([*MIN_OVERLAP, *TYPES]), rng.uniform(20, 120)
            hidden = {
                'truncated': rng.choice([0, 0, 0.2, 0.9]),
                'occluded': rng.choice([0, 0, 1, 3]),
            }
            x_m = rng.uniform(-20, 20)
            true.append(row(kind, left, height, x_m, **hidden))
            for _ in range(rng.integers(0, 3)):
                name = kind if rng.random() < 0.7 and kind in MIN_OVERLAP else 'Car'
                place = left + rng.normal(0, 15), height * rng.uniform(0.8, 1.2)
                found.append(row(name, *place, x_m + rng.normal(0, 0.4)))
                scores.append(round(float(rng.random()), 1))
        frames.append((seen(*found, scores=tuple(scores)), seen(*true)))
    return frames


def test_as_the_rules_say_one_by_one() -> None:
    frames = random_frames(30)
    found = average_precisions(frames)
    for kind in MIN_OVERLAP:
        for level, name in enumerate(DIFFICULTIES):
            expected = average_precision(frames, kind, level)
            assert 0 < expected < 100
            assert found[kind]['2d'][name] == pytest.approx(expected)


def cars(count: int, **true: float) -> list[tuple[KittiObjects, KittiObjects]]:
    """A car in each of `count` images, found exactly."""
    return [
        (seen(row('Car', 300), scores=(0.9 - k / 1000,)), seen(row('Car', 300, **true)))
        for k in range(count)
    ]


def test_all_found_is_100_percent_and_nothing_there_is_nan() -> None:
    found = average_precisions(cars(41))
    assert {round(v, 9) for of in found['Car'].values() for v in of.values()} == {100}
    assert all(np.isnan(v) for of in found['Cyclist'].values() for v in of.values())


def test_hidden_objects_count_at_their_level_only() -> None:
    found = average_precisions(cars(41, occluded=1))['Car']['2d']
    assert np.isnan(found['easy'])
    assert (found['moderate'], found['hard']) == (pytest.approx(100), pytest.approx(100))


def test_detections_in_a_dont_care_region_are_not_false() -> None:
    """Half of the detections are beside the cars: in a region, or not."""

    def frames(kind: str) -> list[tuple[KittiObjects, KittiObjects]]:
        found = seen(row('Car', 300), row('Car', 700, x_m=9), scores=(0.5, 0.9))
        return [(found, seen(row('Car', 300), row(kind, 690)))] * 41

    assert average_precisions(frames('DontCare'))['Car']['2d']['hard'] == pytest.approx(100)
    assert average_precisions(frames('Truck'))['Car']['2d']['hard'] == pytest.approx(50)


def test_from_above_the_height_does_not_matter() -> None:
    """1 m to the side of 4 m: 3 of 5 m are common."""
    here, there = seen(row('Car', 0)).boxes, seen(row('Car', 0, x_m=1)).boxes
    there.centers_m[:, 1] -= 30
    np.testing.assert_allclose(overlap_from_above(here, there), [[0.6]])


def test_labels_of_a_sequence_and_boxes_as_detections(tmp_path: Path) -> None:
    path = tmp_path / '0000.txt'
    line = '3 7 Car 0 1 -1.5 10 20 30 60 1.5 2 4 1 2 20 0'
    path.write_text(f'{line}\n3 -1 DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n')
    [objects] = objects_of_sequence(path, np.array([0.1, 0, 0])).values()
    assert objects.types == ('Car', 'DontCare')
    assert objects.boxes.centers_m[0].tolist() == [1.1, 1.25, 20]
    assert (objects.rectangles_px[0].tolist(), objects.occluded[0]) == ([10, 20, 30, 60], 1)
    found = detections(objects.boxes.select(np.array([0])), Intrinsics.centered(640, 480, 500))
    assert (found.types, found.scores.tolist()) == (('Car',), [1.0])
    path.write_text('3 7 Car 0 1\n')
    with pytest.raises(KittiError, match='2 numbers instead of 14'):
        objects_of_sequence(path, ZERO)
