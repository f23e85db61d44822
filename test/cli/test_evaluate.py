"""`mtscene evaluate` as it is typed."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import H, W, tiny_model, tiny_spec
from evaluate.bags import IMAGE, camera, options, recorded
from onnx import TensorProto, helper

from mtscene_ros.cli.main import main
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.scores.frame_table import ParquetError
from mtscene_ros.models.spec import METADATA_KEY
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagWriter


def typed(*words: str) -> int:
    return main(['evaluate', *words, '--threads', '1', '--backend', 'onnxruntime', '--outputs'])


def test_one_recording(tiny_path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, out = str(recorded(tmp_path / 'a.mcap')), str(tmp_path / 'report')
    assert typed(bag, '--model', tiny_path, '-o', out) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('4 of 4 images answered, 0 dropped, 0 failed')
    assert '| depth | 4 | abs_rel 0.2, rmse 5, delta1 0, coverage 1 |' in printed
    assert printed.splitlines()[-1] == f'Page: {out}/index.html'
    assert typed(bag, '--model', tiny_path, '-o', out, '--json', '--frames', '2') == 0
    assert json.loads(capsys.readouterr().out)['counts']['received'] == 2


def test_one_of_two_fails(
    tiny_path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, missing = str(recorded(tmp_path / 'a.mcap')), str(tmp_path / 'b.mcap')
    assert typed(bag, missing, '--model', tiny_path, '-o', str(tmp_path / 'report')) == 1
    assert "b.mcap' does not exist; check the path." in capsys.readouterr().err
    assert typed(missing, '--model', tiny_path, '-o', str(tmp_path / 'other')) == 2


def test_without_pyarrow(tiny_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'pyarrow.parquet', None)
    with pytest.raises(ParquetError, match=r'needs pyarrow .*`pip install pyarrow`'):
        evaluate_bag(recorded(tmp_path / 'a.mcap'), options(tiny_path), tmp_path / 'report')


@pytest.fixture
def dense_path(tmp_path: Path) -> str:
    """The tiny model with boundary and saliency: green / 255; wetness, an own task: red / 8."""
    model, spec = tiny_model(), json.loads(tiny_spec().to_json())
    for output, step in {'boundary': 'G 255', 'saliency': 'G 255', 'wetness': 'R eight'}.items():
        model.graph.node.append(helper.make_node('Div', step.split(), [output]))
        kind = TensorProto.FLOAT
        model.graph.output.append(helper.make_tensor_value_info(output, kind, ['n', H, W]))
        spec['outputs'].append({'name': output, 'shape': [-1, H, W], 'dtype': 'float32'})
    spec['tasks'] |= {'boundary': {}, 'saliency': {}, 'wetness': {'kind': 'values'}}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(spec)})
    onnx.save(model, tmp_path / 'dense.onnx')
    return str(tmp_path / 'dense.onnx')


def dense_truth(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """All is salient where the model says 0.2; wetness is 1 where the model says 1 or 10."""
    header = make.header(stamp_ns, 'camera_optical_frame')
    ones, edge = np.ones((32, 64), np.uint8), np.zeros((32, 64), np.uint8)
    edge[3] = 1  # where the model sees none: its equal answers are thinned to a line in the middle
    for topic, values in (('saliency', ones), ('boundary', edge)):
        writer.write(f'/truth/{topic}', IMAGE, stamp_ns, make.image(values, 'mono8', header))
    wet = make.image(ones.astype(np.float32), '32FC1', header)
    writer.write('/truth/own/wetness', IMAGE, stamp_ns, wet)


def test_further_tasks(dense_path: str, tmp_path: Path) -> None:
    pytest.importorskip('pyEdgeEval')
    bag = recorded(tmp_path / 'a.mcap', camera, dense_truth, frames=2)
    scores = evaluate_bag(bag, options(dense_path), tmp_path / 'report')['metrics']
    assert scores['saliency']['max_f'] == pytest.approx(100)  # at thresholds up to 0.2
    assert scores['wetness']['mae'] == pytest.approx(9 * 4 / 64, abs=0.15)  # smooth at its edges
    assert scores['boundary']['ods_f'] < 20
