"""A GPU whose memory other programs take. Needs one, and onnxruntime-gpu."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from mtscene_msgs.srv import SwapModel
from ros.fleet import Fleet
from trust.conftest import times
from trust.tools import GREY, SEC, counts, image, level_becomes, meet, send

from mtscene_ros.backends import BackendOptions, auto
from mtscene_ros.models.catalogue import BUNDLED_MODEL

Start = Callable[..., subprocess.Popen[str]]
Tried = Callable[[int], None]
REASON = auto.why_not_onnxruntime_cuda(BackendOptions())
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or 'a GPU is there')
# Takes what is free, down to single MB.
GREED = """
import ctypes, sys
from mtscene_ros.backends.cuda import Cuda, open_driver
driver, left_bytes = open_driver(), int(sys.argv[1]) << 20
cuda, address, size = Cuda(driver, 0), ctypes.c_ulonglong(), 1 << 30
while size >= 1 << 20:
    fits = cuda.free_bytes() >= left_bytes + size
    if not fits or driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)):
        size //= 2
print('full', flush=True)
sys.stdin.read()
"""


@contextmanager
def greedy_program(left_mb: int) -> Iterator[None]:
    """Leaves so much of the GPU's memory to others."""
    command = [sys.executable, '-c', GREED, str(left_mb)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as greedy:
        assert greedy.stdout is not None
        assert greedy.stdout.readline() == b'full\n'
        yield
        greedy.kill()


@pytest.mark.parametrize('left_mb', [0, 200, 500, 550])
def test_a_node_that_starts_on_a_full_gpu(start_node: Start, left_mb: int) -> None:
    """No room for the context, the libraries or the model: one sentence, exit code 1."""
    with greedy_program(left_mb):
        process = start_node(model=BUNDLED_MODEL, backend='onnxruntime_cuda')
        log = process.communicate(timeout=120)[1]
    assert process.returncode == 1, log
    assert 'memory' in log
    assert 'Traceback' not in log


def test_auto_on_a_full_gpu(start_node: Start, fleet: Fleet) -> None:
    """It takes the processor, and says why."""
    with greedy_program(0):
        start_node(model=BUNDLED_MODEL, backend='auto')
        meet(fleet)
        reported = level_becomes(fleet, 'model', b'\0')
    assert 'no onnxruntime_cuda' in reported


def test_memory_that_is_taken_while_a_node_runs(
    start_node: Start, fleet: Fleet, tmp_path: Path, tried: Tried
) -> None:
    """What runs has its memory: every frame is published. Another model is refused with a
    sentence, and taken once there is room."""
    start_node(model=BUNDLED_MODEL, backend='onnxruntime_cuda')
    before, frames = meet(fleet), times(300, 10)
    copy = tmp_path / 'copy.onnx'
    copy.write_bytes(Path(BUNDLED_MODEL).read_bytes())
    request = SwapModel.Request(model=str(copy))
    with greedy_program(0):
        for k in range(frames):
            last = send(fleet, image(GREY, (10 + k) * SEC))
        assert counts(last, before) == (frames, frames, 0, 0)
        answer = fleet.call(SwapModel, 'swap_model', request)
        assert not answer.success
        assert 'memory' in answer.message
        assert send(fleet, image(GREY, 9000 * SEC)).failed == 0
    assert fleet.call(SwapModel, 'swap_model', request).success
    assert send(fleet, image(GREY, 9001 * SEC)).failed == 0
    tried(frames + 2)
