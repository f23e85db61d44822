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


def yolo(path: Path, rows: Any, **about: Any) -> Path:
    """Anchors as columns of (box, two scores, two coefficients); one prototype is positive on the
    left half, the other everywhere."""
    planes = np.ones((1, 2, 8, 16), np.float32)
    planes[0, 0, :, 8:] = -1
    nodes = [
        helper.make_node('ReduceMean', ['x', 'axes'], ['mean'], keepdims=1),
        helper.make_node('Mul', ['mean', 'none'], ['zero']),
        helper.make_node('Add', ['zero', 'planes'], ['p']),
        helper.make_node('Squeeze', ['zero', 'one'], ['zeros']),
        helper.make_node('Add', ['zeros', 'anchors'], ['y']),
    ]
    weights = {'axes': np.array([1, 2, 3]), 'none': np.float32(0), 'one': np.array([1])}
    weights |= {'planes': planes, 'anchors': np.array(rows, np.float32).T[None]}
    shapes = {'y': ['n', 'rows', 'anchors'], 'p': ['n', 'masks', 'h', 'w']}
    written(path, nodes, weights, helper.make_tensor_value_info('y', FLOAT, shapes['y']), **about)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info('p', FLOAT, shapes['p']))
    onnx.save(model, path)
    return path


ROWS = [
    [32, 16, 64, 32, 0.1, 0.6, 0, 1],  # the whole image, of class 1
    [32, 16, 48, 32, 0.9, 0.3, 1, 0],  # columns 8 to 56 and the left half: 8 to 32, class 0
    [32, 16, 64, 8, 0.2, 0.1, 0, 1],  # not sure enough
    [48, 16, 32, 32, 0.8, 0.1, 1, 0],  # its mask lies outside of its box
]


@pytest.mark.parametrize(('rows', 'around'), [(ROWS, 1), (ROWS[1:], 2)])
def test_yolo_with_masks(tmp_path: Path, rows: Any, around: int) -> None:
    source = yolo(tmp_path / 'y.onnx', rows)
    out, about = str(tmp_path / 'm.onnx'), ['--background', 'floor']
    assert wrap.main([str(source), '-o', out, *names(tmp_path, '[a, b]'), *about]) == 0
    with open_model(out, 'onnxruntime', threads=1) as model:
        scene = model.estimate(stripes(), tasks=('semantic',))
    row = np.repeat([around, 0, around], [8, 24, 32])
    np.testing.assert_array_equal(scene.labels, row[None].repeat(H, 0))
    assert [c.name for c in scene.classes] == ['a', 'b', 'floor']


def test_other_yolos_are_refused(tmp_path: Path) -> None:
    source, out = yolo(tmp_path / 'y.onnx', ROWS), str(tmp_path / 'm.onnx')
    with pytest.raises(ValueError, match=r'4 \+ classes \+ 2, anchors\): export it without NMS'):
        wrap.main([str(source), '-o', out, *names(tmp_path, '[a, b, c]')])
    boxes = [str(source), '-o', out, *names(tmp_path, '[a, b, c, d]'), '--tensor', 'y']
    with pytest.raises(ValueError, match='boxes of a YOLO without masks, which are no task here'):
        wrap.main(boxes)


def nearness(path: Path) -> Path:
    """Grows towards the bottom of the image, where the ground is near: 0 to 0.5."""
    ramp = np.linspace(0, 0.5, H, dtype=np.float32)[:, None].repeat(W, 1)[None]
    nodes = [
        helper.make_node('ReduceMean', ['x', 'axes'], ['mean'], keepdims=0),
        helper.make_node('Mul', ['mean', 'none'], ['zero']),
        helper.make_node('Add', ['zero', 'ramp'], ['y']),
    ]
    weights = {'axes': np.array([1]), 'none': np.float32(0), 'ramp': ramp}
    return written(path, nodes, weights, helper.make_tensor_value_info('y', FLOAT, ['n', H, W]))


def test_inverse_depth_is_never_metres(tmp_path: Path) -> None:
    source, out = nearness(tmp_path / 'd.onnx'), str(tmp_path / 'm.onnx')
    how = [str(source), '-o', out, '--task', 'depth', '--focal-px', '64', '--max-m', '40']
    with pytest.raises(ValueError, match=r'falls where the true depth rises .* needs --inverse'):
        wrap.main(how)
    with pytest.raises(ValueError, match='check the sign of SCALE'):
        wrap.main([*how, '--inverse', '-1', '1'])
    assert wrap.main([*how, '--inverse', '0.5', '0.02']) == 0
    with open_model(out, 'onnxruntime', threads=1) as model:
        found = model.estimate(stripes(), horizontal_fov_deg=53.13010235415598)  # 64 px
    want = 1 / np.maximum(0.5 * np.linspace(0, 0.5, H) + 0.02, 1 / 40)
    np.testing.assert_allclose(found.depth_m[1:, 5], want[1:], rtol=1e-5)  # beyond 40 m: inf
