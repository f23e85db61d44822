"""Which boxes pass: checked on four boxes of three classes."""

from __future__ import annotations

import numpy as np
import pytest

from mtscene_ros.camera.box_filter import BoxFilterError, box_filter
from mtscene_ros.types import Boxes3D, CameraFrame, Scene, SemanticClass

CLASSES = tuple(SemanticClass(i, n, (0, 0, 0)) for i, n in enumerate(('car', 'person', 'bus')))


def scene() -> Scene:
    """A car of 0.9, a person of 0.6, a bus of 0.5, a car of 0.4."""
    boxes = Boxes3D(
        np.array([0, 1, 2, 0]), np.array([0.9, 0.6, 0.5, 0.4], np.float32), np.zeros((4, 3)),
        np.ones((4, 3)), np.tile([0.0, 0, 0, 1], (4, 1)), CLASSES,
    )  # fmt: skip
    return Scene(CameraFrame(np.zeros((2, 2, 3), np.uint8), None, 0, ''), {'boxes3d': boxes})


@pytest.mark.parametrize(
    ('min_score', 'classes', 'scores', 'left'),
    [
        (0.0, (), (), [0.9, 0.6, 0.5, 0.4]),
        (0.5, ('',), ('',), [0.9, 0.6, 0.5]),
        (0.0, ('car', 'bus'), (), [0.9, 0.5, 0.4]),
        (0.55, (), ('car:0.95', 'bus:0.3'), [0.6, 0.5]),
        (0.55, ('car',), ('car:0.4',), [0.9, 0.4]),
        (0.0, ('tram',), (), []),
    ],
)
def test_classes_and_scores(
    min_score: float, classes: tuple[str, ...], scores: tuple[str, ...], left: list[float]
) -> None:
    kept = box_filter(min_score, classes, scores).kept(scene()).boxes
    assert kept.scores.tolist() == pytest.approx(left)


def test_classes_that_the_model_lacks_are_named() -> None:
    found = list(box_filter(0.0, ('car', 'tram'), ('ship:0.5',)).unknown(scene()))
    assert [sentence.split("'")[1] for sentence in found] == ['tram', 'ship']
    assert found[0].endswith('it has car, person, bus.')


@pytest.mark.parametrize('text', ['car', 'car:', ':0.5', 'car:2', 'car:nan', 'car:-1'])
def test_a_score_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(BoxFilterError, match='is not CLASS:SCORE'):
        box_filter(0.0, (), (text,))
