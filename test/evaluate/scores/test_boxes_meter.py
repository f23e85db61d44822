"""Scores of boxes by class and by distance, with boxes whose errors can be read off."""

import json
import math

import numpy as np
import pytest

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.evaluate.scores.boxes_meter import BoxesMeter
from mtscene_ros.types import Boxes3D

NAMES = [c.name for c in DRIVE_BOXES]
CAR, OTHER = NAMES[:2]


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


TRUTH = boxes((0, 1, (0, 0, 10)), (0, 1, (5, 0, 30)), (1, 1, (-5, 0, 15)))


def test_scores_of_one_image_are_of_what_the_node_publishes() -> None:
    """Three truths; one is found, one at 0.29, which is not published; 0.31 is a phantom."""
    found = boxes((0, 0.9, (0, 0, 11)), (0, 0.29, (5, 0, 30)), (0, 0.31, (20, 0, 20)))
    scores = BoxesMeter(NAMES).update(found, TRUTH)
    assert scores == {
        'truths': 3, 'recall': 1 / 3, 'precision': 1 / 2, 'distance_m': 0.5, 'yaw_error_deg': 0
    }  # fmt: skip


def test_a_score_at_the_threshold_is_published() -> None:
    found = boxes((0, 0.5, (0, 0, 10)))
    assert BoxesMeter(NAMES, min_score=0.5).update(found, found)['recall'] == 1


def test_an_image_without_boxes_has_no_scores() -> None:
    scores = BoxesMeter(NAMES).update(boxes(), boxes())
    assert scores.pop('truths') == 0
    assert all(math.isnan(v) for v in scores.values())
    scores = BoxesMeter(NAMES).update(boxes(), TRUTH)
    assert (scores['truths'], scores['recall']) == (3, 0)
    assert math.isnan(scores['precision'])


def test_scores_by_class() -> None:
    """Both cars are found, the other class is missed: its precision counts as 0."""
    meter = BoxesMeter(NAMES)
    assert math.isnan(meter.scores()['map'])
    meter.update(boxes((0, 0.75, (0, 0, 10)), (0, 0.75, (5, 0, 31))), TRUTH)
    scores = meter.scores()
    found = (scores['map'], scores[f'{CAR}.ap'], scores[f'{OTHER}.ap'])
    assert found == pytest.approx((0.5, 1, 0))
    assert (scores[f'{CAR}.truths'], scores[f'{CAR}.distance_m']) == (2, 0.5)
    kinds = {name.split('.')[0] for name in scores}
    assert kinds == {'map', 'ece', 'false_per_image', CAR, OTHER}
    assert scores['ece'] == 0.25  # 0.75 was right each time


def test_boxes_beyond_the_limit_are_not_scored() -> None:
    meter = BoxesMeter(NAMES, max_m=20.0)
    meter.update(boxes((0, 0.5, (0, 0, 10)), (0, 0.9, (5, 0, 30))), TRUTH)
    assert meter.scores()[f'{CAR}.truths'] == 1
    assert meter.scores()[f'{CAR}.ap'] == pytest.approx(1)


def test_a_pair_lies_within_the_limit() -> None:
    meter = BoxesMeter(NAMES, match_m=0.5)
    meter.update(boxes((0, 0.5, (0, 0, 10.5)), (0, 0.5, (5, 0, 30.6))), TRUTH)
    assert meter.scores()[f'{CAR}.recall'] == 0.5


def test_parts_add_up() -> None:
    found = boxes((0, 0.75, (0, 0, 11)), (2, 0.5, (5, 0, 31)))
    whole, total = BoxesMeter(NAMES), BoxesMeter(NAMES)
    for _ in range(2):
        part = BoxesMeter(NAMES)
        for meter in (part, whole):
            meter.update(found, TRUTH)
        assert sorted(part.state()['found']) == sorted([CAR, OTHER, NAMES[2]])
        total.add(json.loads(json.dumps(part.state())))
    assert total.scores() == pytest.approx(whole.scores(), nan_ok=True)
    assert total.state() == whole.state()


@pytest.mark.parametrize('change', [{'names': NAMES[1:]}, {'max_m': 9.0}, {'match_m': 1.0}])
def test_scores_of_other_classes_or_limits_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match='have no common score'):
        BoxesMeter(NAMES).add(BoxesMeter(NAMES).state() | change)


def test_a_box_at_the_border_of_two_ranges_belongs_to_the_nearer() -> None:
    meter = BoxesMeter(NAMES, 60.0)
    centers = [(9.0 * k, 0.0, z) for k, z in enumerate((10, 11, 20, 20.5, 30, 31, 40, 41, 60))]
    both = boxes(*((0, 0.5, center) for center in centers))
    meter.update(both, both)
    counts = [(r['truths'], r['predictions'], r['found']) for r in meter.by_distance()]
    assert counts == [(1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)]
    assert [r['to_m'] for r in meter.by_distance()] == [10, 20, 30, 40, 60]
    alone = BoxesMeter(NAMES)
    alone.update(boxes((0, 0.5, (0, 0, 10))), boxes((0, 1, (0, 0, 10))))
    assert [r['to_m'] for r in alone.by_distance()] == [10]


def test_scores_by_distance() -> None:
    """A car at 9 m, seen at 10.5 m, turned by 90 degrees and half as long; a phantom without
    truths of its class."""
    found = boxes((0, 0.5, (0, 0, 10.5)), (1, 0.9, (0, 0, 5)))
    found.quaternions_xyzw[0] = [0, math.sqrt(0.5), 0, math.sqrt(0.5)]
    found.sizes_m[0, 0] = 2
    meter = BoxesMeter(NAMES)
    meter.update(found, boxes((0, 1, (0, 0, 9))))
    near, far = meter.by_distance()
    assert (near['class'], near['from_m'], near['to_m']) == (CAR, 0, 10)
    assert (near['truths'], near['predictions'], near['found'], near['ap']) == (1, 0, 1, 0)
    assert near['distance_m'] == pytest.approx(1.5)
    assert near['size_error'] == pytest.approx(0.5)
    assert near['yaw_error_deg'] == pytest.approx(90)
    assert (far['from_m'], far['truths'], far['predictions'], far['found']) == (10, 0, 1, 0)
    assert math.isnan(far['ap'])


def test_ranges_end_with_what_is_scored() -> None:
    for max_m, ranges in ((40.0, [30]), (50.0, [30, 40]), (45.0, [30, 40])):
        meter = BoxesMeter(NAMES, max_m)
        meter.update(boxes(), boxes((0, 1, (0, 0, 40)), (0, 1, (9, 0, 41)), (0, 1, (0, 0, 61))))
        assert [row['from_m'] for row in meter.by_distance()] == ranges


def test_what_is_not_required_is_neither_missed_nor_wrong() -> None:
    """Both cars are found, the farther one is hidden; the other class is missed."""
    meter = BoxesMeter(NAMES)
    found = boxes((0, 0.9, (0, 0, 10)), (0, 0.8, (5, 0, 30)))
    meter.update(found, TRUTH, np.array([True, False, True]))
    by_class = meter.by_class()
    assert {name: of['recall'] for name, of in by_class.items()} == {CAR: 1, OTHER: 0}
    assert (by_class[CAR]['truths'], meter.found[CAR].hits) == (1, [True])
    assert meter.mean_precision() == pytest.approx(0.5)


def test_boxes_of_a_class_without_truth_are_counted() -> None:
    """Two images: a car without a truck's truth in each, one of them below the least score."""
    meter, nothing = BoxesMeter(NAMES), boxes()
    meter.update(boxes((0, 0.9, (0, 0, 10))), nothing)
    meter.update(boxes((0, 0.2, (0, 0, 10))), nothing)
    scores = meter.scores()
    assert (scores['false_per_image'], scores[f'{CAR}.false_per_image']) == (0.5, 0.5)
    again = BoxesMeter(NAMES)
    again.add(meter.state())
    assert again.scores()['false_per_image'] == 0.5
