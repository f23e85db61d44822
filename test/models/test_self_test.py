"""The self-test of a model file: its measures, its way through JSON, what is refused."""

import json

import numpy as np
import pytest

from mtscene_ros.models.self_test import (
    MEASURES,
    Answer,
    SelfTest,
    largest,
    self_test_from_json,
    spread_out,
)

WANT = np.array([1.0, 2.0, 3.0, 4.0], np.float32)


@pytest.mark.parametrize(
    ('measure', 'got', 'value'),
    [
        ('unequal labels', [1, 2, 3, 5], 0.25),
        ('relative error', 1.1 * WANT, 0.1),
        ('deviation', WANT + 0.5, 0.5 / np.sqrt(1.25)),  # the variance of 1 to 4 is 1.25
        ('deviation of peaks', WANT + 0.5, 0.5 / np.sqrt(7.5)),  # their mean square is 7.5
    ],
)
def test_measures(measure: str, got: np.ndarray, value: float) -> None:
    compare = MEASURES[measure].compare
    assert compare(WANT, np.asarray(got)) == pytest.approx(value)
    assert compare(WANT, WANT) == 0


def test_samples_cover_a_tensor() -> None:
    tensor = np.arange(24).reshape(1, 2, 3, 4)
    assert sorted(spread_out(tensor, 100)) == list(range(24))
    found = spread_out(np.arange(65536), 2048)
    assert len(set(found)) == 2048
    assert np.abs(np.bincount(found // 8192) - 256).max() <= 2  # an eighth in each eighth


def test_peaks_may_move() -> None:
    assert largest(np.array([[0, 3, 0, 7]]), 2).tolist() == [3, 7]
    assert largest(np.array([[7, 0, 3, 0]]), 2).tolist() == [3, 7]


def made(enlarged: int = 2) -> SelfTest:
    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3).repeat(2, 0).repeat(2, 1)
    answer = Answer(
        'depth', 'depth', 'relative error', spread_out(WANT, 4), {'fp32': 0.01, 'bf16': 0.2}
    )
    return SelfTest(rgb, (answer,), enlarged)


def test_it_survives_json() -> None:
    again = self_test_from_json(made().to_json(), 'm.onnx')
    np.testing.assert_array_equal(again.rgb, made().rgb)
    np.testing.assert_array_equal(again.answers[0].values, spread_out(WANT, 4))
    assert again.answers[0].bounds == {'fp32': 0.01, 'bf16': 0.2}


@pytest.mark.parametrize(
    ('factor', 'precision', 'passes'),
    [(1.0, 'fp32', True), (1.1, 'fp32', False), (1.1, 'bf16', True), (1.1, 'fp8', True),
     (np.nan, 'fp8', False)],
)  # fmt: skip
def test_the_bound_is_that_of_the_precision(factor: float, precision: str, passes: bool) -> None:
    [found] = made().compared({'depth': factor * WANT[None]}, precision)
    assert found.passes == passes
    assert str(found).startswith('depth: relative error ')


@pytest.mark.parametrize(
    'changes',
    [{'format_version': 2}, {'enlarged': 0}, {'enlarged': 4000}, {'png': 'AAAA'}, {'answers': 1},
     {'answers': [{'tensor': 'x'}]}],
)  # fmt: skip
def test_an_unreadable_one_is_one_sentence(changes: dict) -> None:
    text = json.dumps(json.loads(made().to_json()) | changes)
    with pytest.raises(ValueError, match=r'^m\.onnx has an unreadable self-test \(.*\); export'):
        self_test_from_json(text, 'm.onnx')
