"""A dependency that changes what the models answer is seen here, and what it changed can be
read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks import digests
from benchmarks.digest import complaints, digest
from benchmarks.digest_models import BUNDLED, MODELS, Made, outputs_of
from mtscene_ros.backends import BackendOptions

# torch.onnx of torch 2.13 calls what Python and torch deprecate.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')
# street_lite and room_lite came when no GPU was at hand.
NOT_MEASURED = {
    ('street_lite', 'onnxruntime_cuda'),
    ('room_lite', 'onnxruntime_cuda'),
    ('room_lite_seeded', 'onnxruntime_cuda'),
}
SLOW = [pytest.param(name, marks=pytest.mark.trust) for name in MODELS if name != 'drive_lite']


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported models stay for the next backend."""
    return tmp_path_factory.mktemp('models')


@pytest.mark.parametrize('name', ['drive_lite', *SLOW])
@pytest.mark.parametrize('backend', digests.BACKENDS)
def test_each_model_answers_as_it_did(name: str, backend: str, folder: Path) -> None:
    """`python -m benchmarks.digests --write` keeps new answers, on purpose."""
    reason = digests.BACKENDS[backend](BackendOptions())
    if reason or (name, backend) in NOT_MEASURED:
        pytest.skip(f'{backend}: {reason or "not measured"}')
    assert digests.check(name, [backend], folder, write=False) == []


def test_every_model_and_backend_has_a_digest() -> None:
    assert {p.stem for p in digests.FOLDER.glob('*.json')} == set(MODELS)
    missing = {
        (name, backend)
        for name in MODELS
        for backend in digests.BACKENDS.keys() - digests.kept(name)['backends'].keys()
    }
    assert missing == NOT_MEASURED


@pytest.mark.parametrize('name', MODELS)
def test_runtimes_agree(name: str) -> None:
    """By the limits that hold over time; so another processor's rounding stays within them."""
    backends = digests.kept(name)['backends']
    others = ['openvino', 'onnxruntime_cuda', *(['torch'] if name not in BUNDLED else [])]
    for other in (b for b in others if (name, b) not in NOT_MEASURED):
        assert digests.differences(other, backends['onnxruntime'], backends[other]) == []


@pytest.fixture(scope='module')
def made(folder: Path) -> Made:
    return MODELS['drive_lite'](folder)


def test_another_image_is_seen(made: Made, folder: Path) -> None:
    """Negative control: other input, other numbers."""
    found = outputs_of('onnxruntime', made, folder, seed=1)
    today = {name: digest(name, array) for name, array in found.items()}
    reported = digests.differences('onnxruntime', kept('onnxruntime'), today)
    assert {sentence.split(': ')[1] for sentence in reported} == set(today)


def kept(backend: str) -> dict[str, Any]:
    found: dict[str, Any] = digests.kept('drive_lite')['backends'][backend]
    return found


def test_a_weight_one_percent_off_is_seen(made: Made, folder: Path) -> None:
    """Negative control: one layer of the encoder, as a rewritten operator might have it."""
    changed = copy.deepcopy(made.graph)
    largest = max(changed.network.encoder.parameters(), key=lambda p: p.numel())
    largest.data *= 1.01
    today = digests.digests_of('torch', Made(changed, made.spec, made.path), folder)
    assert any('depth' in s for s in digests.differences('torch', kept('torch'), today))


def test_what_a_difference_says() -> None:
    ramp = np.linspace(0, 10, 1001, dtype=np.float32)
    want = digest('depth', ramp)
    assert (want['mean'], want['percentiles']['50'], want['percentiles']['99']) == (5, 5, 9.9)
    assert complaints('depth', want, digest('depth', ramp + np.float32(1e-3))) == []
    reported = complaints('depth', want, digest('depth', ramp * np.float32(1.01)))
    assert 'depth: mean is 5.05, was 5 (limit 0.0058).' in reported
    assert complaints('depth', want, digest('depth', ramp * np.nan))
    assert complaints('depth', want, digest('depth', ramp[:-1])) == [
        'depth: shape is [1000], was [1001].'
    ]


def test_what_a_difference_of_labels_says() -> None:
    labels = np.repeat(np.array([3, 7], np.uint8), 500)
    want, other = digest('x_labels', labels), labels.copy()
    other[:4] = 7  # half a percent may flip
    assert complaints('x_labels', want, digest('x_labels', other)) == []
    other[:20] = 7
    assert complaints('x_labels', want, digest('x_labels', other)) == [
        'x_labels: 2.00 % of the pixels have another class (3: 0.5000 to 0.4800, 7: 0.5000 to '
        '0.5200).'
    ]


def test_a_digest_is_json_that_people_can_read() -> None:
    text = digests.readable({'a': digest('depth', np.zeros((2, 3), np.float32))})
    assert json.loads(text)['a']['shape'] == [2, 3]
    assert '"shape": [ 2, 3 ]' in text
