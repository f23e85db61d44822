"""Foreign ONNX files become model files whose answers are those of the original."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip('torch')

from mtscene_ros.estimator import open_model
from mtscene_ros.terminal import exit_status
from training import wrap

H, W = 32, 64
FLOAT = TensorProto.FLOAT


def written(
    path: Path, nodes: list[Any], weights: dict[str, Any], output: Any, **about: Any
) -> Path:
    """A graph from x, (n, 3, H, W), to y."""
    shape = about.get('shape', ['n', 3, H, W])
    graph = helper.make_graph(
        nodes,
        'foreign',
        [helper.make_tensor_value_info('x', FLOAT, shape)],
        [output],
        [numpy_helper.from_array(np.array(v), k) for k, v in weights.items()],
    )
    opset = helper.make_opsetid('', about.get('opset', 18))
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def segmenter(path: Path, **about: Any) -> Path:
    """Logits at half the size: class 0 is red, 1 green, 2 blue, in units of mean 0.5, std 0.25."""
    kernel = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) * 4
    nodes = [helper.make_node('Conv', ['x', 'w'], ['y'], strides=[2, 2])]
    output = helper.make_tensor_value_info('y', FLOAT, ['n', 'c', 'h', 'w'])
    return written(path, nodes, {'w': kernel}, output, **about)


def stripes() -> np.ndarray:
    rgb = np.full((H, W, 3), 60, np.uint8)
    for k in range(3):
        rgb[:, 20 * k : 20 * (k + 1), k] = 200
    return rgb


USUAL = ['--mean', '0.5', '0.5', '0.5', '--std', '0.25', '0.25', '0.25']


def names(folder: Path, text: str = '[no, on, blue]') -> list[str]:
    (folder / 'names.yaml').write_text(text)
    return ['--task', 'semantic', '--classes', str(folder / 'names.yaml')]


@pytest.mark.parametrize(('opset', 'order'), [(18, []), (17, ['--bgr']), (12, [])])
def test_logits(tmp_path: Path, opset: int, order: list[str]) -> None:
    source = segmenter(tmp_path / 'f.onnx', opset=opset)
    out = tmp_path / 'mine.onnx'
    assert wrap.main([str(source), '-o', str(out), *names(tmp_path), *USUAL, *order]) == 0
    with open_model(str(out), 'onnxruntime', threads=1) as model:
        scene = model.estimate(stripes(), tasks=('semantic',))
    want = [0, 1, 2] if not order else [2, 1, 0]
    assert scene.labels[H // 2, [10, 30, 50]].tolist() == want
    assert [c.name for c in scene.classes] == ['no', 'on', 'blue']


def test_metres(tmp_path: Path) -> None:
    """Depth is 0.1 m times red."""
    nodes = [helper.make_node('ReduceSum', ['p', 'one'], ['y'], keepdims=0)]
    nodes.insert(0, helper.make_node('Mul', ['x', 'w'], ['p']))
    weights = {'w': np.array([0.1, 0, 0], np.float32).reshape(1, 3, 1, 1), 'one': np.array([1])}
    output = helper.make_tensor_value_info('y', FLOAT, ['n', H, W])
    source = written(tmp_path / 'd.onnx', nodes, weights, output)
    out, depth = str(tmp_path / 'mine.onnx'), ['--task', 'depth', '--pixels', '255']
    with pytest.raises(ValueError, match='Depth needs --focal-px'):
        wrap.main([str(source), '-o', out, *depth])
    assert wrap.main([str(source), '-o', out, *depth, '--focal-px', '64']) == 0
    with open_model(out, 'onnxruntime', threads=1) as model:
        found = model.estimate(stripes(), horizontal_fov_deg=53.13010235415598)  # 64 px
    assert found.depth_m[16, [10, 50]] == pytest.approx([20, 6], rel=1e-5)


@pytest.mark.parametrize(
    ('classes', 'about', 'sentence'),
    [
        ('[a, b]', {}, r'y is float32 \(2, 3, 16, 32\), but --classes names 2'),
        ('[a, b, c]', {'shape': ['n', 3, 'h', 'w']}, 'give --size-px'),
        ('[a, b, c]', {'shape': ['n', 4, H, W]}, r'one input of \(N, 3, H, W\) float32'),
    ],
)
def test_what_cannot_be_wrapped(
    tmp_path: Path, classes: str, about: dict[str, Any], sentence: str
) -> None:
    source = segmenter(tmp_path / 'f.onnx', **about)
    with pytest.raises(ValueError, match=sentence):
        wrap.main([str(source), '-o', str(tmp_path / 'm.onnx'), *names(tmp_path, classes), *USUAL])
    assert not (tmp_path / 'm.onnx').exists()


def test_a_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'f.onnx').write_text('x')
    arguments = [str(tmp_path / 'f.onnx'), '-o', str(tmp_path / 'm.onnx'), *names(tmp_path)]
    assert exit_status(lambda: wrap.main(arguments)) == 2
    assert 'is not an ONNX file' in capsys.readouterr().err
