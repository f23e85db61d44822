"""Distances from statistics that are written down here, and from those of the bundled models."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_spec

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.camera.network_input import prepare
from mtscene_ros.estimator import open_estimator
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.temporal import image_features
from mtscene_ros.temporal.image_features import VERSION, features, grid
from mtscene_ros.temporal.novelty import Novelty, NoveltyError, identity, read_novelty
from mtscene_ros.temporal.watch import WatchOptions
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds import drive_frame, room_frame

SPEC = tiny_spec()


def test_the_distance_is_in_deviations_and_the_score_in_limits() -> None:
    found = Novelty(np.array([1.0, 2.0]), np.diag([0.5, 1.0]), 2.5, '')
    # 6 of 2 = 3 deviations one way, 4 of 1 the other: 5, of a limit of 2.5.
    assert found.score(np.array([7.0, 6.0])) == pytest.approx(2)


def test_what_is_measured_of_a_picture_of_two_halves() -> None:
    labels = np.zeros((48, 96), np.int64)
    labels[:16] = 1  # the upper third
    found = image_features.label_features(labels, 2)
    shares = [0, 1, 1, 0, 1, 0]  # of the classes 0 and 1 in each third
    entropy = -(np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3)
    assert found == pytest.approx([*shares, entropy, np.sqrt(1 / 47), 0], abs=1e-6)
    assert image_features.confidence_features(np.full((48, 96), 0.5)) == pytest.approx(
        [0.5] * 4 + [np.log(0.52)]
    )
    depth = np.log(np.full((48, 96), 10.0))
    flat, deep = np.log(1e-2), np.log(10)
    assert image_features.depth_features(depth) == pytest.approx([flat, flat, *[deep, 0] * 3])


def test_borders_are_left_out() -> None:
    box = Letterbox(64, 16, 32, 16)  # 4 rows of border above and below
    half = np.zeros((8, 16), np.uint8)
    half[2:6] = 7
    assert grid(half, box, 0).min() == 7


def test_unknown_pixels_and_depths_stay_finite() -> None:
    outputs = {
        'semantic_labels': np.full((16, 32), 255, np.uint8),
        'semantic_confidence': np.full((16, 32), 255, np.uint8),
        'depth': np.full((16, 32), np.nan, np.float32),
    }
    rgb = np.zeros((16, 32, 3), np.uint8)
    assert np.isfinite(features(rgb, Letterbox(32, 16, 32, 16), outputs, SPEC)).all()


def written(path: Path, **changes: object) -> Path:
    """A model's statistics of two features, with changes."""
    content = {'features': VERSION, 'model': identity(SPEC), 'limit': 1.0, 'hint': 'a cellar?'}
    content |= {'mean': [0.0, 0.0], 'factor': [[1.0, 0.0], [0.0, 1.0]]}
    path.with_suffix('.novelty.json').write_text(json.dumps(content | changes))
    return path


def test_statistics_are_read_and_checked(tmp_path: Path) -> None:
    model = tmp_path / 'tiny.onnx'
    with pytest.raises(NoveltyError, match=r'tiny has no tiny\.novelty\.json beside it'):
        read_novelty(model, SPEC)
    assert read_novelty(written(model), SPEC).hint == 'a cellar?'
    for change, why in (
        ({'model': 'other 1 x'}, 'belongs to another model'),
        ({'features': VERSION + 1}, 'belongs to another model'),
        ({'mean': [0.0]}, 'do not fit'),
        ({'limit': float('nan')}, 'do not fit'),
        ({'factor': 'x'}, 'is damaged'),
    ):
        with pytest.raises(NoveltyError, match=why):
            read_novelty(written(model, **change), SPEC)


def test_a_model_without_statistics_says_so_with_every_image(
    tiny_path: str, frame: CameraFrame
) -> None:
    estimator = open_estimator(tiny_path)
    estimator.watch.options = WatchOptions(novelty_limit=1.0)
    [scene] = estimator.estimate([frame])
    assert scene.signals == ()
    assert 'make it by `python -m training.fit_novelty`' in scene.warnings[0]
    estimator.watch.options = WatchOptions()
    assert estimator.estimate([frame])[0].warnings == ()


@pytest.mark.parametrize('model', ['drive_lite', 'street_lite'])
def test_bundled_models_know_streets_from_rooms_noise_and_streets_upside_down(
    model: str, bundled_scores: dict[str, list[float]]
) -> None:
    street, *others = bundled_scores[model]
    assert street < 1
    assert min(others) > 1


@pytest.fixture(scope='module')
def bundled_scores() -> dict[str, list[float]]:
    """Model → the novelty of a street, a room, noise, and the street upside down."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
    street, room = drive_frame(4100, 3), room_frame(77, 1, 640, 480)
    pictures = [street.rgb, room.rgb, noise, np.ascontiguousarray(street.rgb[::-1])]
    found: dict[str, list[float]] = {}
    for model in ('drive_lite', 'street_lite'):
        estimator = open_estimator(str(path_of(model)))
        spec, statistics = estimator.spec, read_novelty(path_of(model), estimator.spec)
        for rgb in pictures:
            made = prepare(CameraFrame(rgb, None, 0, ''), spec)
            outputs = estimator.backend.infer(made.rgb[None], image_features.needed(spec))
            tensors = {name: tensor[0] for name, tensor in outputs.items()}
            score = statistics.score(features(made.rgb, made.letterbox, tensors, spec))
            found.setdefault(model, []).append(score)
    return found
