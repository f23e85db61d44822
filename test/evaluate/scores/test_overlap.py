from typing import Any

import numpy as np
import pytest

from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.evaluate.scores.agreement import compared, found_again
from mtscene_ros.evaluate.scores.overlap import iou_3d
from mtscene_ros.types import Boxes3D, DepthMap, LabelMap


def boxes(*rows: tuple[Any, Any, float]) -> Boxes3D:
    """(centre, size, yaw) each, all cars."""
    centers, sizes, yaws = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    turned = quaternion_from_matrix(optical_from_level_box(yaws))
    ones = np.ones(len(rows))
    ids = np.zeros(len(rows), np.int64)
    return Boxes3D(ids, ones.astype(np.float32), centers, sizes, turned, DRIVE_BOXES)


CAR = ((2.0, 1.0, 10.0), (4, 2, 2), -np.pi / 2)  # drives away, 4 m along z


@pytest.mark.parametrize(
    ('other', 'iou'),
    [
        (CAR, 1.0),
        (((2, 1, 12), (4, 2, 2), -np.pi / 2), 1 / 3),  # half of its length further
        (((2, 0, 10), (4, 2, 2), -np.pi / 2), 1 / 3),  # half of its height higher
        (((2, 1, 10), (4, 2, 2), 0.0), 8 / 24),  # crosswise: 2 x 2 x 2 of 16 each
        (((2, 1, 10), (2, 1, 1), -np.pi / 2), 1 / 8),  # inside
        (((2, 1, 16), (4, 2, 2), -np.pi / 2), 0.0),
    ],
)
def test_overlap_of_two_cars(other: tuple[Any, Any, float], iou: float) -> None:
    assert iou_3d(boxes(CAR), boxes(other))[0, 0] == pytest.approx(iou, abs=1e-6)
    assert iou_3d(boxes(other), boxes(CAR))[0, 0] == pytest.approx(iou, abs=1e-6)


def test_boxes_found_again_have_the_same_class() -> None:
    two = boxes(CAR, ((2, 1, 30), (4, 2, 2), 0.0))
    assert found_again(two, boxes(CAR)).tolist() == [True, False]
    assert found_again(boxes(CAR), two.select(np.array([1]))).tolist() == [False]


def test_agreement_of_one_image() -> None:
    maps = [
        LabelMap(np.array([[0, 1, 2, x]], np.uint8), np.zeros((1, 4), np.uint8), ())
        for x in (3, 4)
    ]
    assert compared(*maps)['equal labels'].mean() == 0.75
    depth = [DepthMap(np.array([[2.0, x, np.inf]], np.float32)) for x in (4.0, 5.0)]
    assert compared(*depth)['relative difference'].tolist() == [0, 0.25]
    with pytest.raises(TypeError, match='LabelMap cannot be compared with DepthMap'):
        compared(maps[0], depth[0])


def test_boxes_that_differ_by_rounding_overlap_wholly() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        center, size = random.uniform(-50, 50, 3), random.uniform(0.5, 12, 3)
        moved = center + random.normal(0, 1e-7, 3)
        yaw = random.uniform(-np.pi, np.pi)
        first, second = boxes((center, size, yaw)), boxes((moved, size, yaw + 1e-8))
        assert iou_3d(first, second)[0, 0] == pytest.approx(1, abs=1e-5)
