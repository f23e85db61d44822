"""TensorRT for RTX builds here without a GPU: what it takes and refuses, how it is stopped."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

trt = pytest.importorskip('tensorrt_rtx')

from mtscene_ros.backends.engine_build import BuildSettings, EngineError, build_engine, logger_of  # noqa: E402
from mtscene_ros.backends.engine_cache import onnx_sha256_of  # noqa: E402
from mtscene_ros.backends.engine_process import build_in_subprocess  # noqa: E402

ADA = BuildSettings(2, target='8.9')


def model(folder: Path, *nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT) -> Path:
    """(n, 4, 4, 3) uint8 → float → the nodes → y."""
    cast = helper.make_node('Cast', ['rgb'], ['x'], to=TensorProto.FLOAT)
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), 'weight')
    rgb = helper.make_tensor_value_info('rgb', TensorProto.UINT8, ['n', 4, 4, 3])
    y = helper.make_tensor_value_info('y', kind, None)
    graph = helper.make_graph([cast, *nodes], 'g', [rgb], [y], [weight])
    path = folder / 'm.onnx'
    imports = [helper.make_opsetid('', 20)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10), path)
    return path


def test_builds_a_whole_engine(tmp_path: Path) -> None:
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))
    seen: list[tuple[str, float]] = []
    plan = build_engine(trt, path, ADA, lambda *step: seen.append(step) is None)
    assert seen
    assert all(0 < share <= 1 for _, share in seen)
    runtime = trt.Runtime(logger_of(trt))  # without a GPU it only tells whole files from others
    assert runtime.get_engine_validity(plan)[1] == 0
    assert runtime.get_engine_validity(b'\0' * 4096)[1] != 0


def test_the_refused_operator_is_named(tmp_path: Path) -> None:
    path = model(tmp_path, helper.make_node('NonZero', ['x'], ['y']), kind=TensorProto.INT64)
    with pytest.raises(EngineError, match=r'refuses .*NonZero|NonZero|no engine'):
        build_engine(trt, path, ADA)


def test_cancelled(tmp_path: Path) -> None:
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))
    with pytest.raises(EngineError, match='cancelled'):
        build_engine(trt, path, ADA, lambda phase, share: False)
    with pytest.raises(EngineError, match='cancelled'):
        build_in_subprocess(path, 'tensorrt_rtx', ADA, lambda phase, share: False)


def test_a_builder_that_is_killed_is_one_sentence(tmp_path: Path) -> None:
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))

    def children() -> set[str]:
        own = Path(f'/proc/{os.getpid()}/task/{threading.get_native_id()}/children')
        return set(own.read_text().split())

    before = children()  # of other tests

    def kills(phase: str, share: float) -> bool:
        [builder] = children() - before
        os.kill(int(builder), signal.SIGKILL)
        return True

    with pytest.raises(EngineError, match=r'built from .*m\.onnx: .*-9'):
        build_in_subprocess(path, 'tensorrt_rtx', ADA, kills)


def test_a_builder_whose_node_was_killed_ends(tmp_path: Path) -> None:
    """Nobody reads its progress any more."""
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, '-m', 'mtscene_ros.backends.engine_build', str(path), '--progress']
    command += ['--module', 'tensorrt_rtx', '--target', '8.9']
    with os.fdopen(writer) as nobody:
        ended = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    assert 'cancelled' in ended.stderr


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))
    plan = build_in_subprocess(path, 'tensorrt_rtx', ADA)
    assert trt.Runtime(logger_of(trt)).get_engine_validity(plan)[1] == 0
    (tmp_path / 'broken.onnx').write_bytes(b'no model')
    with pytest.raises(EngineError, match=r'built from .*broken\.onnx: .* refuses'):
        build_in_subprocess(tmp_path / 'broken.onnx', 'tensorrt_rtx', ADA)


def test_a_model_replaced_while_its_engine_is_built(tmp_path: Path) -> None:
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))
    checksum = onnx_sha256_of(path)
    other = path.read_bytes() + b'\x12\x01x'  # another producer name

    def replace(phase: str, share: float) -> bool:
        path.write_bytes(other)
        return True

    with pytest.raises(EngineError, match='was replaced while its engine was built'):
        build_in_subprocess(path, 'tensorrt_rtx', ADA, replace, 0, checksum)


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        (BuildSettings(target='8.7'), 'cannot build for compute capability 8.7'),
        (BuildSettings(target='8.9', dla_core=0), 'DLA core 0 does not exist here'),
    ],
)
def test_what_it_cannot_do(tmp_path: Path, settings: BuildSettings, sentence: str) -> None:
    path = model(tmp_path, helper.make_node('MatMul', ['x', 'weight'], ['y']))
    with pytest.raises(EngineError, match=sentence):
        build_engine(trt, path, settings)
