"""Whole networks as files: any batch, opset 17, weights beside a large graph."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.models.onnx_file import precision_of  # noqa: E402
from training.graphs import onnx_export as exporting  # noqa: E402
from training.trt_check import export  # noqa: E402

# torch.onnx of torch 2.13 calls functions that Python and torch deprecate.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


def answers(path: Path, rgb: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    found = session.run(None, {session.get_inputs()[0].name: rgb})
    return [np.asarray(value, np.float64) for value in found]


def images(path: Path, count: int) -> np.ndarray:
    shape = onnx.load(path, load_external_data=False).graph.input[0].type.tensor_type.shape
    size = [axis.dim_value for axis in shape.dim][1:]
    return np.random.default_rng(count).integers(0, 256, (count, *size), np.uint8)


@pytest.fixture(scope='module')
def compact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('compact') / 'whole.onnx'
    export('test', 'fp32', path, opset=17)
    return path


def check_opset_17_and_batches(path: Path) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    assert onnx.load(path).opset_import[0].version == 17
    rgb = images(path, 3)
    alone = [answers(path, rgb[k : k + 1]) for k in range(3)]
    for count in (2, 3):
        for k, found in enumerate(answers(path, rgb[:count])):
            want = np.concatenate([one[k] for one in alone[:count]])
            assert found.shape == want.shape
            assert np.mean(np.abs(found - want) > 1e-3 * max(1, np.abs(want).max())) < 1e-3


def test_a_compact_network_at_opset_17_with_any_batch(compact: Path) -> None:
    check_opset_17_and_batches(compact)


def test_a_published_network_at_opset_17_with_any_batch(tmp_path: Path) -> None:
    export('tiny_invpt_nyud', 'fp32', tmp_path / 'm.onnx', opset=17)
    check_opset_17_and_batches(tmp_path / 'm.onnx')


def test_weights_beside_a_large_graph(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, beside = tmp_path / 'split.onnx', tmp_path / 'split.onnx.data'
    monkeypatch.setattr(exporting, 'PROTOBUF_LIMIT', 10_000)
    exporting.write_model(onnx.load(compact), split)
    size = beside.stat().st_size
    assert split.stat().st_size + size > compact.stat().st_size > 2 * split.stat().st_size
    rgb = images(compact, 2)
    for want, found in zip(answers(compact, rgb), answers(split, rgb), strict=True):
        np.testing.assert_array_equal(want, found)
    assert precision_of(split) == 'fp32'
    assert open_estimator(str(split), 'onnxruntime').spec.name == 'test'
    exporting.write_model(onnx.load(compact), split)
    assert beside.stat().st_size == size  # replaced, not appended to
    monkeypatch.undo()
    exporting.write_model(onnx.load(compact), split)
    assert not beside.exists()


def test_a_failed_write_leaves_the_earlier_file(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = tmp_path / 'm.onnx', onnx.load(compact)
    exporting.write_model(model, path)

    def fails(model: onnx.ModelProto, part: Path) -> None:
        part.write_bytes(b'half of it')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(onnx, 'save', fails)
    with pytest.raises(OSError, match='No space'):
        exporting.write_model(model, path)
    assert path.read_bytes() == compact.read_bytes()
    assert list(tmp_path.iterdir()) == [path]
