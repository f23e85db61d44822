"""`mtscene bench` and the count of operations."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mtscene_ros.cli.benchmark import camera_frames
from mtscene_ros.cli.main import main
from mtscene_ros.models.operations import count_macs
from mtscene_ros.worlds.drive import drive_frame


def graph(path: Path) -> Path:
    """A batch of 3x8x8 images through Conv (4, 3, 3, 3), MatMul with (8, 5) and Einsum."""
    nodes = [
        helper.make_node('Conv', ['x', 'w'], ['a'], pads=[1, 1, 1, 1]),
        helper.make_node('MatMul', ['a', 'm'], ['b']),
        helper.make_node('Einsum', ['b', 'b'], ['y'], equation='nchw,nchv->ncwv'),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name)
        for name, shape in (('w', (4, 3, 3, 3)), ('m', (8, 5)))
    ]
    value = helper.make_tensor_value_info
    x = value('x', TensorProto.FLOAT, ['batch', 3, 8, 8])
    y = value('y', TensorProto.FLOAT, ['batch', 4, 5, 5])
    onnx.save(helper.make_model(helper.make_graph(nodes, 'g', [x], [y], weights)), path)
    return path


def test_operations_of_a_small_graph(tmp_path: Path) -> None:
    found = count_macs(graph(tmp_path / 'g.onnx'))
    assert found['Conv'] == 4 * 64 * 27
    assert found['MatMul'] == 4 * 8 * 5 * 8
    assert found['Einsum'] == 4 * 8 * 5 * 5


def test_cameras_of_resized_images_are_theirs() -> None:
    """Twice as wide and as high as what was drawn, whose pixel centres lie at integers."""
    [frame] = camera_frames(1, 1024, 512)
    drawn, camera = drive_frame(9, 0).intrinsics, frame.intrinsics
    assert camera is not None
    assert (camera.fx_px, camera.cx_px) == pytest.approx((2 * drawn.fx_px, 2 * drawn.cx_px + 0.5))
    assert (camera.fy_px, camera.cy_px) == pytest.approx((2 * drawn.fy_px, 2 * drawn.cy_px + 0.5))


def test_bench_of_two_candidates(tiny_path: str, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    command = ['bench', tiny_path, '--threads', '1', '2', '--frames', '3', '--size', '64x32']
    assert main([*command, '-o', str(out)]) == 0
    result = json.loads((out / 'bench.json').read_text())
    first, second = result['candidates']
    assert (first['name'], second['name']) == (
        'tiny.onnx, onnxruntime, 1 threads',
        'tiny.onnx, onnxruntime, 2 threads',
    )
    assert first['total_ms']['p50'] == pytest.approx(np.median(first['samples_ms']), abs=1e-3)
    assert sum(first['share'].values()) == pytest.approx(1)
    assert first['frames_per_s'] == pytest.approx(1e3 / first['total_ms']['p50'])
    assert (out / 'bench.svg').read_text().count('<polyline') == 2


def test_bench_of_a_missing_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bench', 'missing.onnx']) == 2
    assert "'missing.onnx' does not exist" in capsys.readouterr().err
