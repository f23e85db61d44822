"""A committed recording of generated scenes gives what it gave before; another one does not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from evaluate.replay_reference import BAG, REFERENCE, SCORES, answered, moments

from mtscene_ros.recordings.write import write_recording

Fields = dict[str, np.ndarray]


def same_labels(got: Fields, want: Fields) -> bool:
    """Runtimes round differently where two classes are as likely."""
    return bool((got['labels'] == want['labels']).mean() >= 0.998)


def same_confidence(got: Fields, want: Fields) -> bool:
    gap = np.abs(got['confidence'].astype(int) - want['confidence'])
    return bool(gap.mean() <= 0.5 and np.percentile(gap, 99) <= 3)


def same_depth(got: Fields, want: Fields) -> bool:
    """Two parts in a thousand, stored as float16; the same pixels are beyond range."""
    known = np.isfinite(want['depth_m'])
    both = known & np.isfinite(got['depth_m'])
    gap = np.abs(got['depth_m'][both] / want['depth_m'][both] - 1)
    return bool(both.sum() >= 0.998 * known.sum() and np.percentile(gap, 99) <= 2e-3)


def same_boxes(got: Fields, want: Fields) -> bool:
    """As many in each frame, in the same order; 2 cm, 0.005 of score and quaternion."""
    if got['counts'].tolist() != want['counts'].tolist():
        return False
    gap = np.abs(got['boxes'] - want['boxes'])
    limits = [0.005, *[0.02] * 6, *[0.005] * 4, 0]
    return bool((gap <= limits).all())


def same_scores(got: Fields, want: Fields) -> bool:
    return bool(np.allclose(got['scores'], want['scores'], rtol=2e-3, atol=2e-3))


CHECKS: dict[str, Callable[[Fields, Fields], bool]] = {
    'labels': same_labels,
    'confidence': same_confidence,
    'depth': same_depth,
    'boxes': same_boxes,
    'scores': same_scores,
}


@pytest.fixture(scope='module')
def want() -> Fields:
    with np.load(REFERENCE, allow_pickle=False) as stored:
        found = {name: stored[name] for name in stored.files}
    return {**found, 'depth_m': found['depth_m'].astype(np.float32)}


@pytest.fixture(scope='module')
def now() -> Fields:
    return answered(BAG)


@pytest.fixture(scope='module')
def other(tmp_path_factory: pytest.TempPathFactory) -> Fields:
    """Other scenes, answered by the same model."""
    path = tmp_path_factory.mktemp('other') / 'drive.mcap'
    write_recording(path, moments(78))
    return answered(path)


@pytest.mark.parametrize('field', CHECKS)
def test_as_before(now: Fields, want: Fields, field: str) -> None:
    assert CHECKS[field](now, want)


@pytest.mark.parametrize('field', CHECKS)
def test_another_recording_is_told_apart(other: Fields, want: Fields, field: str) -> None:
    assert not CHECKS[field](other, want)


def test_the_recording_is_small_and_worth_it(want: Fields) -> None:
    size = sum(path.stat().st_size for path in Path(BAG).parent.iterdir())
    assert size <= 3_000_000
    assert want['counts'].sum() >= 10
    assert dict(zip(SCORES, want['scores'], strict=True))['semantic.miou'] > 30
