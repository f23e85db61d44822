"""Whole networks as files: any batch, opset 17, weights beside a large graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_answers import answers, check_opset_17_and_batches, images

torch = pytest.importorskip('torch')

from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.models.onnx_file import precision_of  # noqa: E402
from training.graphs import onnx_export as exporting  # noqa: E402
from training.trt_check import export  # noqa: E402

# torch.onnx of torch 2.13 calls functions that Python and torch deprecate.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


@pytest.fixture(scope='module')
def compact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('compact') / 'whole.onnx'
    export('test', 'fp32', path, opset=17)
    return path


def test_a_compact_network_at_opset_17_with_any_batch(compact: Path) -> None:
    check_opset_17_and_batches(compact)


def test_weights_beside_a_large_graph(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = tmp_path / 'split.onnx'
    monkeypatch.setattr(exporting, 'PROTOBUF_LIMIT', 10_000)
    exporting.write_model(onnx.load(compact), split)
    [beside] = tmp_path.glob('split.onnx.*.data')
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
    assert list(tmp_path.iterdir()) == [split]


def test_a_killed_export_of_a_large_graph_leaves_the_earlier_model_whole(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = tmp_path / 'split.onnx'
    monkeypatch.setattr(exporting, 'PROTOBUF_LIMIT', 10_000)
    exporting.write_model(onnx.load(compact), split)
    before = answers(split, images(compact, 1))

    def dies(part: Path, path: Path) -> None:
        exporting_move(part, path)
        raise KeyboardInterrupt  # after the weights, before the model that names them

    exporting_move = exporting.move_into_place
    with monkeypatch.context() as patched:
        patched.setattr(exporting, 'move_into_place', dies)
        with pytest.raises(KeyboardInterrupt):
            exporting.write_model(without_largest(compact), split)
    for want, found in zip(before, answers(split, images(compact, 1)), strict=True):
        np.testing.assert_array_equal(want, found)
    exporting.write_model(without_largest(compact), split)
    assert len(list(tmp_path.glob('*.data'))) == 1  # that of the killed export is taken up


def without_largest(path: Path) -> onnx.ModelProto:
    """The model with zeros in its largest tensor."""
    model = onnx.load(path)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.raw_data = bytes(len(largest.raw_data))
    return model


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
