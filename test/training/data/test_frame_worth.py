"""Frames are ranked by doubt and chosen for variety; their labels become shapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtscene_ros.datasets.class_tables import Classes, coloured
from mtscene_ros.types import UNLABELED
from training.data.drawing import DrawOptions
from training.data.frame_worth import Doubts, choose, differing_share, moved_labels, ranks, worth
from training.data.manifest_writer import Account
from training.data.preannotations import (
    OutlinedImage,
    outlines_of,
    write_coco,
    write_cvat,
    write_label_studio,
)
from training.data.to_manifest import DRAWN

NAN = float('nan')
WRITERS: dict[str, Callable[[list[OutlinedImage], Classes, Path], None]] = {
    'coco': write_coco,
    'cvat': write_cvat,
    'label_studio': partial(write_label_studio, model='model 1'),
}


def test_worth_is_the_mean_rank_of_the_doubts() -> None:
    assert ranks([0.3, NAN, 0.1, 0.2]).tolist() == [1.0, 0.5, 0.0, 0.5]
    found = worth([Doubts(0.1, 0.9, NAN), Doubts(0.3, 0.1, NAN), Doubts(0.2, 0.5, NAN)])
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5])  # (0 + 1 + 0.5) / 3 for the first


def test_a_twin_of_a_chosen_frame_comes_last() -> None:
    features = np.array([[0.0, 0], [0, 0.01], [0, 1], [0.5, 0]])
    assert choose(np.array([1.0, 0.9, 0.5, 0.4]), features, 4) == [0, 2, 3, 1]
    assert choose(np.array([1.0, 0.9]), features[:2], 9) == [0, 1]


def test_labels_that_move_with_the_image_do_not_flicker() -> None:
    rng = np.random.default_rng(0)
    blurred = cv2.GaussianBlur(rng.integers(0, 256, (96, 112), np.uint8), (0, 0), 3)
    wide = np.asarray(np.clip((blurred - 128.0) * 4 + 128, 0, 255), np.uint8)
    labels = (wide > 128).astype(np.uint8)
    moved = moved_labels(labels[:, 8:104], wide[:, 4:100], wide[:, 8:104])
    assert differing_share(labels[:, 4:100], moved) < 0.05
    assert differing_share(labels[:, 4:100], labels[:, 8:104]) > 0.2
    elsewhere = moved_labels(labels[:, 8:104], 255 - wide[:, 4:100], wide[:, 8:104])
    assert (elsewhere == UNLABELED).mean() > 0.5  # not the same place: nothing to compare


@pytest.mark.filterwarnings('ignore:__array__:DeprecationWarning')  # pycocotools
@pytest.mark.parametrize('kind', WRITERS)
def test_shapes_come_back_as_the_labels(kind: str, tmp_path: Path) -> None:
    """A disc in a hole of a square: large regions come first, so that the disc stays."""
    labels = np.full((60, 80), UNLABELED, np.uint8)
    labels[10:50, 10:60] = 1
    cv2.circle(labels, (35, 30), 12, 0, -1)
    classes = coloured(['disc', 'square'])
    image = OutlinedImage('a.png', 80, 60, outlines_of(labels, classes))
    assert [outline.label for outline in image.outlines] == ['square', 'disc']
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((60, 80, 3), np.uint8))
    path = tmp_path / ('shapes.xml' if kind == 'cvat' else 'shapes.json')
    WRITERS[kind]([image], classes, path)
    options = DrawOptions(images=tmp_path, predictions=True)
    names, frames = DRAWN[kind](path, options, Account())
    assert sorted(names) == ['disc', 'square']
    found = next(iter(frames)).labels
    assert found is not None
    lookup = np.array([['disc', 'square'].index(n) for n in names] + [UNLABELED] * 254, np.uint8)
    assert (lookup[np.minimum(found, 255)] != labels).mean() < 0.03  # the outline's pixels
