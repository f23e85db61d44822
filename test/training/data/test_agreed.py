"""Models label frames together, and a person gets the ones that teach most."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mtscene_ros.types import Boxes3D, LabelMap, SemanticClass
from training.data.agreed import agreed_boxes, agreed_depth, agreed_labels, united

ROAD, CAR, FORK = (SemanticClass(0, n, (1, 2, 3)) for n in ('road', 'car', 'forklift'))
X = 255


def table(*classes: SemanticClass) -> tuple[SemanticClass, ...]:
    return tuple(SemanticClass(i, c.name, c.color_rgb) for i, c in enumerate(classes))


def label_map(
    ids: list[int], classes: tuple[SemanticClass, ...], sure: list[int] | None = None
) -> LabelMap:
    confidence = np.array([sure or [255] * len(ids)], np.uint8)
    return LabelMap(np.array([ids], np.uint8), confidence, classes)


def test_labels_are_kept_where_models_agree_by_name() -> None:
    first, second = table(ROAD, CAR), table(CAR, ROAD)
    maps = [label_map([0, 0, 1, X], first), label_map([1, 0, 0, 0], second)]
    found = agreed_labels(maps, united([first, second]), 0.5)
    assert found.tolist() == [[0, X, 1, X]]  # road, torn, car, the first does not know


def test_a_model_cannot_contradict_what_it_does_not_know() -> None:
    """The second knows forklifts only: the first alone decides about road and cars."""
    first, second = table(ROAD, CAR), table(FORK)
    maps = [label_map([0, 1], first), label_map([X, 0], second)]
    found = agreed_labels(maps, united([first, second]), 0.5)
    assert found.tolist() == [[0, X]]  # car against forklift: two classes, hence none


def test_what_a_model_is_not_sure_of_stays_unknown() -> None:
    classes = table(ROAD, CAR)
    maps = [label_map([0, 0], classes, [200, 100]), label_map([0, 0], classes, [255, 255])]
    assert agreed_labels(maps, united([classes] * 2), 0.5).tolist() == [[0, X]]  # 100 < 128


def test_depth_is_the_geometric_mean_within_a_quarter() -> None:
    inf, nan = np.inf, np.nan
    one = np.array([[4.0, 4.0, inf, inf, nan]], np.float32)
    other = np.array([[4.84, 5.2, inf, 80, 3]], np.float32)
    found = agreed_depth([one, other])
    np.testing.assert_allclose(found, [[4.4, nan, inf, nan, nan]], rtol=1e-6)


def boxes(*rows: tuple[int, float, float, float], names: tuple[str, ...] = ('car',)) -> Boxes3D:
    """rows: class id, score, z in metres, turn about the vertical axis in degrees."""
    half = np.deg2rad([r[3] for r in rows]) / 2
    around: NDArray[np.float64] = np.zeros((len(rows), 4))
    around[:, 1], around[:, 3] = np.sin(half), np.cos(half)
    return Boxes3D(
        np.array([r[0] for r in rows], np.int64),
        np.array([r[1] for r in rows], np.float32),
        np.array([[0, 0, r[2]] for r in rows], np.float64).reshape(-1, 3),
        np.ones((len(rows), 3)),
        around,
        tuple(SemanticClass(i, n, (0, 0, 0)) for i, n in enumerate(names)),
    )


@pytest.mark.parametrize(
    ('other', 'kept', 'differing'),
    [
        (boxes((0, 0.3, 10.9, 20)), 1, 0),  # half of the score will do, 0.9 m and 20 degrees
        (boxes((0, 0.9, 11.3, 0)), 0, 2),  # 1.3 m apart: each lacks the other's
        (boxes((0, 0.9, 10.0, 180)), 0, 2),  # turned around
        (boxes((0, 0.2, 10.0, 0)), 0, 1),  # too faint
        (boxes((0, 0.9, 10.0, 0), names=('truck',)), 2, 0),  # knows no cars
    ],
)
def test_boxes_are_kept_where_models_agree(other: Boxes3D, kept: int, differing: int) -> None:
    found, differ = agreed_boxes([boxes((0, 0.8, 10.0, 0)), other], 0.5)
    assert (len(found), differ) == (kept, differing)
