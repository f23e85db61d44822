"""Statistics of groups whose mean and spread are known, and the program on a folder."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import tiny_spec

from mtscene_ros.temporal.novelty import read_novelty
from training.fit_novelty import FLOOR, distances, limit_of, main, statistics


def test_each_group_weighs_the_same() -> None:
    many, few = np.zeros((90, 1)), np.full((10, 1), 4.0)
    mean, factor = statistics([many, few])
    assert mean == pytest.approx([2])
    assert factor[0, 0] == pytest.approx(1 / np.sqrt(4 + FLOOR**2))
    assert distances(np.array([[4.0]]), mean, factor) == pytest.approx([2 * factor[0, 0]])


def test_one_in_a_hundred_held_out_images_is_beyond_the_limit() -> None:
    normal = np.random.default_rng(0).normal(0, 5, (4000, 1))
    assert limit_of([normal]) == pytest.approx(2.576, abs=0.12)  # of a normal distribution, 99 %


def test_the_program_writes_statistics_that_the_node_reads(
    tiny_path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / 'tiny.onnx'
    model.write_bytes(Path(tiny_path).read_bytes())
    rng, places = np.random.default_rng(0), tmp_path / 'mine'
    places.mkdir()
    for k in range(60):
        cv2.imwrite(str(places / f'{k:02}.png'), rng.integers(0, 250, (32, 64, 3), np.uint8))
    assert main([str(model), '--images', str(places), '--count', '20']) == 2
    assert '20 images are too few' in capsys.readouterr().err
    assert main([str(model), '--images', str(places), '--hint', 'a cellar?']) == 0
    content = json.loads((tmp_path / 'tiny.novelty.json').read_text())
    assert content['fitted_on'] == {'mine': 60}
    assert read_novelty(model, tiny_spec()).hint == 'a cellar?'
