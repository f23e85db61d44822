"""Model and engine files that are missing, cut off, or replaced while they are read; signals at
any moment of a node's life."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backends.test_engine_cache import KEY, PLAN
from conftest import tiny_spec
from patience import PATIENCE_S
from trust.conftest import times

from mtscene_ros.backends import BackendError, BackendOptions, auto
from mtscene_ros.backends.engine_cache import engine_for, stored
from mtscene_ros.estimator import open_estimator
from mtscene_ros.models.catalogue import BUNDLED_MODEL, spec_of_file
from mtscene_ros.models.spec import SpecError

Tried = Callable[[int], None]
Start = Callable[..., subprocess.Popen[str]]
BACKENDS = ('onnxruntime', 'openvino')


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_model_cut_off_anywhere(
    tiny_path: str, tmp_path: Path, backend: str, tried: Tried
) -> None:
    """No prefix of a model file opens, in any runtime; each is refused with one sentence."""
    reason = auto.why_not_openvino(BackendOptions()) if backend == 'openvino' else ''
    if reason:
        pytest.skip(reason)
    whole, path = Path(tiny_path).read_bytes(), tmp_path / 'cut.onnx'
    sizes = {*range(0, len(whole), times(7, 401)), len(whole) - 1}
    tried(len(sizes))
    for size in sizes:
        path.write_bytes(whole[:size])
        with pytest.raises((SpecError, BackendError)) as reported:
            open_estimator(str(path), backend, BackendOptions(1))
        assert str(path) in str(reported.value)
        assert str(reported.value).count('\n') == 0
        with pytest.raises(SpecError):
            spec_of_file(str(path))


def test_the_bundled_model_cut_off(tmp_path: Path, tried: Tried) -> None:
    """The same for megabytes, at random lengths and just before the end."""
    whole, path, rng = Path(BUNDLED_MODEL).read_bytes(), tmp_path / 'cut.onnx', random.Random(0)
    sizes = [rng.randrange(len(whole)) for _ in range(times(40, 3))]
    sizes += [len(whole) - 1, len(whole) - 100]
    tried(len(sizes))
    for size in sizes:
        path.write_bytes(whole[:size])
        with pytest.raises((SpecError, BackendError)):
            open_estimator(str(path), 'onnxruntime', BackendOptions(1))


def test_an_engine_cut_off_anywhere(tmp_path: Path, tried: Tried) -> None:
    """Every length but the whole is built again; so is a sidecar cut off anywhere."""
    engine = engine_for(Path('model.onnx'), KEY, tmp_path, lambda: PLAN)
    sidecar = engine.path.with_suffix('.json')
    whole = {engine.path: engine.path.read_bytes(), sidecar: sidecar.read_bytes()}
    for path, content in whole.items():
        for size in range(0, len(content), times(1, 37)):
            path.write_bytes(content[:size])
            plan, reason = stored(engine.path, KEY, lambda _: True)
            assert plan is None, size
            assert reason
        path.write_bytes(content)
    tried(sum(len(range(0, len(content), times(1, 37))) for content in whole.values()))
    assert stored(engine.path, KEY, lambda _: True) == (PLAN, '')


def loading(start_node: Start, path: Path, **behaviour: Any) -> subprocess.Popen[str]:
    """A node in the middle of loading stored outputs, which takes two seconds."""
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    from trust.tools import stored_model

    stored_model(path, load_delay_s=2.0, **behaviour)
    process = start_node(model=path, backend='constant')
    assert process.stderr is not None
    while 'opening' not in (line := process.stderr.readline()):
        assert line, 'the node ended'
    return process


@pytest.mark.parametrize(
    ('replacement', 'sentence'),
    [
        (None, 'does not hold stored outputs'),
        pytest.param(b'no model', 'does not hold stored outputs', marks=pytest.mark.trust),
    ],
)
def test_a_model_that_goes_while_it_is_loaded(
    start_node: Start, tmp_path: Path, replacement: bytes | None, sentence: str
) -> None:
    """Removed, or replaced by something else: the node says so and ends with 1."""
    process = loading(start_node, path := tmp_path / 'm.npz')
    path.unlink()
    if replacement:
        path.write_bytes(replacement)
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert sentence in log
    assert 'Traceback' not in log


def test_a_model_replaced_while_it_is_loaded(start_node: Start, tmp_path: Path) -> None:
    """By one with more tasks: it runs, with topics that the first did not have."""
    full = tiny_spec()
    semantic = replace(full, outputs=full.outputs[:2], tasks={'semantic': full.tasks['semantic']})
    loading(start_node, path := tmp_path / 'm.npz', spec=semantic)
    from ros.fleet import Fleet
    from trust.tools import GREY, INFO, SEC, TOPICS, image, meet, send, stored_model

    stored_model(tmp_path / 'other.npz')
    os.replace(tmp_path / 'other.npz', path)
    fleet = Fleet(('',), TOPICS)
    meet(fleet)
    fleet.infos[''].publish(INFO)
    send(fleet, image(GREY, 10 * SEC))
    fleet.wait(lambda: bool(fleet.got['', 'depth/image'] and fleet.got['', 'detections_3d']))
    fleet.node.destroy_node()


STUCK = """
import ctypes
import threading
from types import SimpleNamespace
import rclpy
from rclpy.node import Node
from mtscene_ros.ros import process

class StuckNode(Node):
    params, must_end = SimpleNamespace(autostart=False), False
    def destroy_node(self):
        if WHERE == 'after Python':
            at_exit = getattr(ctypes.CDLL(None), '__cxa_atexit')
            at_exit(ctypes.CDLL(None).pause, None, None)
            super().destroy_node()
        else:
            ctypes.PyDLL(None).sleep(60)  # keeps the interpreter lock, as rclpy does

def spin(node, executor):
    print('ready', flush=True)
    threading.Event().wait()

def spin_as_usual(node, executor, usual=process.spin):
    print('ready', flush=True)
    return usual(node, executor)

process.END_S = 1.0
process.spin = spin if WHERE == 'spinning' else spin_as_usual
process.run(lambda: StuckNode('stuck'), None)
"""


@pytest.mark.parametrize(
    ('where', 'line', 'code'),
    [
        ('spinning', 'in spin', 1),
        ('ending', 'destroy_node', 1),
        ('after Python', '', -signal.SIGALRM),
    ],
)
def test_a_process_that_does_not_end_is_ended(where: str, line: str, code: int) -> None:
    """As where the middleware hangs in the main thread: exit code 1, END_S after the signal; by
    SIGALRM where Python has ended and C++ has not."""
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    pipes: Any = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    script = f'WHERE = {where!r}\n{STUCK}'
    process = subprocess.Popen([sys.executable, '-c', script], **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(signal.SIGTERM)
    printed = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == code
    assert line in printed


SLOW = """
import time
from types import SimpleNamespace
from rclpy.node import Node
from mtscene_ros.ros import process

class SlowNode(Node):
    params, must_end = SimpleNamespace(autostart=False), False
    def destroy_node(self):
        print('ending', flush=True)
        time.sleep(1)
        super().destroy_node()

def told(node, executor, spin=process.spin):
    print('ready', flush=True)
    return spin(node, executor)

process.spin = told
raise SystemExit(process.run(lambda: SlowNode('slow'), None))
"""


def test_a_second_signal_does_not_interrupt_the_end() -> None:
    """Ctrl-C twice: exit code 0, everything taken down, no traceback."""
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    pipes: Any = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    process = subprocess.Popen([sys.executable, '-c', SLOW], **pipes)
    assert process.stdout is not None
    for line in ('ready', 'ending'):
        assert process.stdout.readline() == f'{line}\n'
        process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE_S)[1] == ''
    assert process.returncode == 0


INTERRUPTED = """
import os, sys, time
from mtscene_ros.ros import process
from mtscene_ros.ros.node import PerceptionNode

def make_node():
    os.kill(os.getpid(), int(sys.argv[1]))
    end_s = time.monotonic() + 0.2
    while time.monotonic() < end_s:
        pass
    print('went on')
    return PerceptionNode()

raise SystemExit(process.run(make_node, None))
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_no_python(number: int) -> None:
    """It ends the ROS context only. A KeyboardInterrupt would destroy the executor in the moment
    in which rclpy's own thread wakes it: a crash in 1 of 200 nodes."""
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    command = [sys.executable, '-c', INTERRUPTED, str(int(number))]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, 'went on\n', '')


@pytest.mark.trust
def test_a_signal_at_any_moment(tmp_path: Path, tried: Tried) -> None:
    """SIGINT or SIGTERM while a node starts, loads or runs: exit code 0, or the signal's own
    while Python still imports; never a traceback of another kind."""
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    from trust.tools import stored_model

    command = [sys.executable, '-m', 'mtscene_ros.ros.node', '--ros-args', '-p']
    command += [f'model:={stored_model(tmp_path / "m.npz")}', '-p', 'backend:=constant']
    rng = random.Random(5)
    tried(times(40, 5))
    for _ in range(times(40, 5)):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        time.sleep(rng.uniform(0.2, 4))
        number = rng.choice([signal.SIGINT, signal.SIGTERM])
        process.send_signal(number)
        log = process.communicate(timeout=PATIENCE_S)[1]
        assert process.returncode in (0, -number), log
        assert 'Traceback' not in log or 'KeyboardInterrupt' in log, log
