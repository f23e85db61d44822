"""Disks that fill up and processes that are killed: no half file is ever taken for a whole one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from backends.test_engine_cache import KEY
from trust.conftest import times

from mtscene_ros.backends.engine_cache import engine_for, stored
from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag

Tried = Callable[[int], None]
KIND = 'std_msgs/msg/String'
HERE = str(Path(__file__).parents[1])


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of as many MB as the test's parameter says."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = [
        'mount',
        '-t',
        'tmpfs',
        '-o',
        f'size={request.param}m,mode=0700',
        'tmpfs',
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f'no small disk can be mounted here: {done.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '--lazy', str(folder)], check=True)


def write_bag(path: Path, messages: int, size: int = 1000) -> None:
    with BagWriter(path) as writer:
        text = writer.types.types[KIND]
        for k in range(messages):
            writer.write('/text', KIND, k, text(f'{k:0{size}d}'))


def messages_in(path: Path) -> int:
    with open_bag(path) as reader:
        return sum(1 for _ in reader.messages())


@pytest.mark.parametrize('small_disk', [4], indirect=True)
@pytest.mark.parametrize('name', ['a.mcap', 'folder'])
def test_a_recording_on_a_full_disk(small_disk: Path, name: str) -> None:
    """One sentence; the earlier recording stays whole; nothing else is left."""
    path = small_disk / name
    write_bag(path, 500)
    with pytest.raises(BagError, match='No space left on device'):
        write_bag(path, 10_000)
    assert messages_in(path) == 500
    assert [p.name for p in small_disk.iterdir()] == [name]
    write_bag(path, 300)  # there is room again
    assert messages_in(path) == 300


@pytest.mark.parametrize('small_disk', [2], indirect=True)
def test_an_engine_on_a_full_disk(small_disk: Path) -> None:
    """The engine is used, told that it is not kept, and not there in part."""
    plan = os.urandom(3 << 20)
    engine = engine_for(Path('model.onnx'), KEY, small_disk, lambda: plan)
    assert engine.plan == plan
    assert 'No space left on device' in engine.warning
    assert 'the next start builds it again' in engine.warning
    assert {p.suffix for p in small_disk.iterdir()} == {'.lock'}


@pytest.mark.parametrize('small_disk', [2], indirect=True)
def test_a_checkpoint_on_a_full_disk(small_disk: Path) -> None:
    """One sentence; the last whole checkpoint stays and loads."""
    torch = pytest.importorskip('torch')
    from training.weights.checkpoint_store import restore, save, save_weights

    path, too_large = small_disk / 'last.pt', torch.zeros(1 << 20)
    save(path, {'step': 7})
    with pytest.raises(OSError, match='training resumes from the last complete checkpoint'):
        save(path, {'step': 8, 'weights': too_large})
    with pytest.raises(OSError, match=r'best\.safetensors cannot be written'):
        save_weights(small_disk / 'best.safetensors', {'weights': too_large})
    assert restore(path, {}) == {'step': 7}
    assert [p.name for p in small_disk.iterdir()] == ['last.pt']


# Each writes for ever, at one path, what its number says; killed at any moment.
WRITERS = {
    'recording': """
from trust.test_fault_disk import write_bag
for k in range(10**6):
    write_bag(folder / 'a.mcap', 2000 + k % 3, 200)
""",
    'engine': """
from trust.test_fault_disk import keep_engine
for k in range(10**6):
    keep_engine(folder, k)
""",
    'checkpoint': """
import torch
from training.weights.checkpoint_store import save
for k in range(10**6):
    save(folder / 'last.pt', {'step': k, 'weights': torch.full((300_000,), k)})
""",
    'model': """
from trust.test_fault_disk import keep_model
for k in range(10**6):
    keep_model(folder, k)
""",
    'stored outputs': """
from trust.test_fault_disk import keep_outputs
for k in range(10**6):
    keep_outputs(folder, k)
""",
}


def keep_engine(folder: Path, k: int) -> None:
    """Another engine of the same name each time, as where it does not fit any more."""
    engine_for(Path('m.onnx'), KEY, folder, lambda: bytes([k % 256]) * 2_000_000, lambda _: False)


def keep_model(folder: Path, k: int) -> None:
    import onnx

    from training.graphs.onnx_export import write_model

    weight = onnx.numpy_helper.from_array(np.full(500_000, k, np.float32), 'weight')
    graph = onnx.helper.make_graph([], 'g', [], [], [weight])
    write_model(onnx.helper.make_model(graph), folder / 'm.onnx')


def keep_outputs(folder: Path, k: int) -> None:
    from conftest import tiny_spec

    from mtscene_ros.backends.constant import write

    outputs = {t.name: np.full((1, *t.shape[1:]), k % 100, t.dtype) for t in tiny_spec().outputs}
    write(folder / 'm.npz', tiny_spec(), outputs)


def whole_recording(folder: Path) -> bool:
    return 2000 <= messages_in(folder / 'a.mcap') <= 2002


def whole_engine(folder: Path) -> bool:
    """Either one whose checksum fits, of one build, or none."""
    [path] = [p.with_suffix('.engine') for p in folder.glob('*.lock')]
    plan, reason = stored(path, KEY, lambda _: True)
    return bool(reason) if plan is None else len(plan) == 2_000_000 and len(set(plan)) == 1


def whole_checkpoint(folder: Path) -> bool:
    import torch

    state = torch.load(folder / 'last.pt', weights_only=True)
    return bool((state['weights'] == state['step']).all())


def whole_model(folder: Path) -> bool:
    import onnx

    [weight] = onnx.load(folder / 'm.onnx').graph.initializer
    return len(np.unique(onnx.numpy_helper.to_array(weight))) == 1


def whole_outputs(folder: Path) -> bool:
    from mtscene_ros.backends import BackendOptions, open_backend

    backend = open_backend('constant', str(folder / 'm.npz'), BackendOptions())
    found = backend.infer(np.zeros((1, 16, 32, 3), np.uint8), ['depth', 'semantic_labels'])
    return {float(v) for a in found.values() for v in np.unique(a)} == {
        float(found['depth'].max())
    }


IS_WHOLE = {
    'recording': whole_recording,
    'engine': whole_engine,
    'checkpoint': whole_checkpoint,
    'model': whole_model,
    'stored outputs': whole_outputs,
}
FIRST = {
    'recording': 'a.mcap',
    'engine': '*.json',
    'checkpoint': 'last.pt',
    'model': 'm.onnx',
    'stored outputs': 'm*',
}


@pytest.mark.parametrize(
    'what',
    [pytest.param(w, marks=() if w == 'engine' else pytest.mark.trust) for w in WRITERS],
)
def test_killed_while_writing(what: str, tmp_path: Path, tried: Tried) -> None:
    """SIGKILL at a random moment, again and again: what is there afterwards is whole."""
    if what in ('checkpoint', 'model'):
        pytest.importorskip('torch')
    rng, kills = random.Random(what), times(30, 3)
    for _ in range(kills):
        code = f'import sys\nfrom pathlib import Path\nsys.path.insert(0, {HERE!r})\n'
        code += f'folder = Path({str(tmp_path)!r})\n' + WRITERS[what]
        writer = subprocess.Popen([sys.executable, '-c', code])
        seen_ns = newest_ns(tmp_path)
        while newest_ns(tmp_path) == seen_ns or not list(tmp_path.glob(FIRST[what])):
            assert writer.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert IS_WHOLE[what](tmp_path)
    tried(kills)
    if what == 'engine':
        keep_engine(tmp_path, 0)
        assert not list(tmp_path.glob('*.partial'))  # what the killed ones left


def newest_ns(folder: Path) -> int:
    """When the newest file that is not hidden was written."""
    return max((p.stat().st_mtime_ns for p in folder.glob('[!.]*') if p.exists()), default=0)


@pytest.mark.trust
@pytest.mark.parametrize('small_disk', [90], indirect=True)
def test_mtscene_record_ends_before_the_disk_is_full(small_disk: Path) -> None:
    """64 MB before the end: the recording is whole, exit code 1, one sentence."""
    rclpy = pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    from trust.tools import image

    node = rclpy.create_node('camera')
    camera = node.create_publisher(type(image(np.zeros((1, 1, 3), np.uint8), 0)), '/camera/i', 5)
    command = [sys.executable, '-m', 'mtscene_ros.cli', 'record', '--topics', '/camera/i']
    command += ['-o', str(small_disk / 'a.mcap')]
    recorder = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end_s = time.monotonic() + 120
    while recorder.poll() is None and time.monotonic() < end_s:
        camera.publish(image(np.zeros((480, 640, 3), np.uint8), time.time_ns()))
        rclpy.spin_once(node, timeout_sec=0.02)
    printed = recorder.communicate(timeout=120)[1]
    node.destroy_node()
    assert recorder.returncode == 1
    assert 'MB left (less than 67), so the recording ended early' in printed
    assert messages_in(small_disk / 'a.mcap') > 10
