"""An engine proves itself: a damaged weight is refused with numbers, and auto passes on."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from backends.fake_gpu import GAIN, SIZE, FakeDriver, fake_tensorrt
from backends.test_tensorrt import use

from mtscene_ros.backends import BackendError, BackendOptions, auto, open_backend, trial
from mtscene_ros.backends.trial import BF16_FLAGS
from mtscene_ros.cli import checks
from mtscene_ros.cli.checks import Configuration
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.models.onnx_file import metadata_of
from mtscene_ros.models.self_test import SELF_TEST_KEY, Answer, SelfTest
from mtscene_ros.ros.finding import FAIL, OK

# What the bundled files were before a self-test was appended: bytes and their SHA-256.
BEFORE = {
    'drive_lite': (16003412, '93a9281fa7309ae9d0a40a688156e1b08fa2f918d6b30bdc62bf48f3dcf055ca'),
    'street_lite': (16002881, '4e8747b113a7092c4987f06a755431bc3a2552cb655f1b7b716174b8b2a85a97'),
}
# An early, a middle and a late layer, and the one that moves the outputs least.
LAYERS = (
    'network.encoder.conv_stem.weight',
    'network.encoder.blocks.3.2.conv_pwl.weight',
    'network.heads.depth.weight',
    'network.preliminary.depth.weight',
)


def scaled(folder: Path, layer: str) -> str:
    """drive_lite with the weights of one layer times 1.1."""
    model = onnx.load(path_of('drive_lite'))
    [weight] = [w for w in model.graph.initializer if w.name == layer]
    array = onnx.numpy_helper.to_array(weight) * np.float32(1.1)
    weight.CopyFrom(onnx.numpy_helper.from_array(array, layer))
    onnx.save(model, folder / 'scaled.onnx')
    return str(folder / 'scaled.onnx')


@pytest.mark.parametrize('name', BEFORE)
def test_the_self_test_was_appended_to_the_bundled_files(name: str) -> None:
    size, sha256 = BEFORE[name]
    content = path_of(name).read_bytes()
    assert hashlib.sha256(content[:size]).hexdigest() == sha256
    assert len(content) - size < 200_000


@pytest.mark.parametrize('layer', LAYERS)
def test_a_layer_scaled_by_1_1_is_refused(layer: str, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r'ONNX Runtime .* does not compute what .* > 0\.004'):
        open_backend('onnxruntime', scaled(tmp_path, layer), BackendOptions(1))


def test_openvino_refuses_it_as_well_and_auto_passes_on(tmp_path: Path) -> None:
    if reason := auto.why_not_openvino(BackendOptions()):
        pytest.skip(reason)
    path = scaled(tmp_path, LAYERS[1])
    expected = (
        r'No backend can open .* no openvino: OpenVINO .* 0\.004.* no onnxruntime: .* 0\.004'
    )
    with pytest.raises(BackendError, match=expected):
        open_backend('auto', path, BackendOptions(1))


def test_in_bfloat16_the_file_is_proved_in_float32(tmp_path: Path) -> None:
    """By itself bfloat16 would hide the layer: its own rounding moves the outputs as far."""
    if auto.why_not_openvino(BackendOptions()) or not trial.this_processor().flags & BF16_FLAGS:
        pytest.skip('openvino is not installed, or the processor has no bfloat16')
    with pytest.raises(BackendError, match=r'ONNX Runtime .*, fp32 does not compute what'):
        open_backend('openvino', scaled(tmp_path, LAYERS[1]), BackendOptions(1, precision='bf16'))


def test_check_shows_the_numbers(tmp_path: Path) -> None:
    good = checks.model(Configuration('drive_lite', 'onnxruntime'))
    assert good.level == OK
    assert 'self-test: semantic_labels: unequal labels 0 <= 0.004; ' in good.found
    bad = checks.model(Configuration(scaled(tmp_path, LAYERS[2]), 'onnxruntime'))
    assert bad.level == FAIL
    assert 'depth: relative error 0.1' in bad.found


def test_a_file_without_one_works_as_before(tiny_path: str) -> None:
    backend = open_backend('onnxruntime', tiny_path, BackendOptions(1))
    assert backend.description.endswith(', no self-test in the file')
    backend.close()


def engine_test(path: Path, source: str, gain: float) -> str:
    """The tiny model with a self-test for the engine that the fake TensorRT runs."""
    rgb = np.full(SIZE, 10, np.uint8)
    bounds = {'fp16': 0.01, 'fp32': 0.01}
    answer = Answer('y', '', 'relative error', np.array([10 * gain], np.float32), bounds)
    model = onnx.load(source)
    entry = model.metadata_props.add()
    entry.key, entry.value = SELF_TEST_KEY, SelfTest(rgb, (answer,)).to_json()
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize('gain', [GAIN, 1.1 * GAIN])
def test_the_verdict_on_an_engine_is_kept_beside_it(
    tiny_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gain: float
) -> None:
    driver = FakeDriver()
    use(monkeypatch, driver, fake_tensorrt(driver))
    monkeypatch.setattr('mtscene_ros.backends.proof.is_coarser', lambda *_: False)
    path = engine_test(tmp_path / 'm.onnx', tiny_path, gain)
    options = BackendOptions(engine_folder=str(tmp_path))
    for runs in (1, 0):  # the second start trusts the sidecar
        before = driver.calls.count('cuGraphLaunch')
        try:
            open_backend('tensorrt', path, options).close()
            failed = ''
        except BackendError as error:
            failed = str(error)
        assert driver.calls.count('cuGraphLaunch') - before == runs
        assert ('relative error 0.091 > 0.01' in failed) == (gain != GAIN)
    [sidecar] = tmp_path.glob('m-*.json')
    assert bool(json.loads(sidecar.read_text())['self_test']['failed']) == (gain != GAIN)
    assert not driver.live


def test_a_damaged_self_test_is_one_sentence(tiny_path: str, tmp_path: Path) -> None:
    path = Path(engine_test(tmp_path / 'm.onnx', tiny_path, 1))
    damaged = path.read_bytes().replace(
        b'"format_version": 1, "png"', b'"format_versiom": 1, "png"'
    )
    path.write_bytes(damaged)
    assert 'format_versiom' in metadata_of(path)[SELF_TEST_KEY]
    with pytest.raises(BackendError, match='has an unreadable self-test'):
        open_backend('onnxruntime', str(path), BackendOptions(1))
