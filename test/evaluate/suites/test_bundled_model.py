"""The committed model sees: far better than chance on scenes of a seed never trained on."""

import numpy as np
import pytest

from mtscene_ros.estimator import open_estimator
from mtscene_ros.evaluate.suites.drives import scenes, score
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds.drive import drive_frame


@pytest.fixture(scope='module')
def result() -> dict:
    """Scores on twelve scenes."""
    return score(open_estimator(), scenes(seed=901, count=12)).result()


def test_it_sees_the_street(result: dict) -> None:
    iou = result['semantic']['iou']
    assert min(iou['road'], iou['sky']) > 0.9
    assert min(iou['car'], iou['building'], iou['vegetation']) > 0.7


def test_it_measures_depth(result: dict) -> None:
    assert result['depth']['abs_rel'] < 0.15
    assert result['depth']['delta1'] > 0.85


def test_it_finds_cars(result: dict) -> None:
    cars = result['boxes3d']['car_within_40_m']
    assert cars['recall'] > 0.6
    assert cars['distance_m'] < 1.2


def test_grey_image_has_no_objects() -> None:
    truth = drive_frame(901, 0)
    grey = np.full_like(truth.rgb, 128)
    [scene] = open_estimator().estimate([CameraFrame(grey, truth.intrinsics, 0, 'optical')])
    assert len(scene.results['boxes3d']) == 0
