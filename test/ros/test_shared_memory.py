"""Shared memory of dead processes is freed, that of living ones is not."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from patience import PATIENCE_S

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from mtscene_ros.models.child_process import code_command, module_command
from mtscene_ros.ros.shared_memory import YOUNG_S, remove_abandoned

HOLDER = """
import fcntl, sys, time
lock = open(sys.argv[1], 'w')
fcntl.flock(lock, fcntl.LOCK_EX)
print('held', flush=True)
time.sleep(600)
"""


def segment(folder: Path, number: int, age_s: float = 100.0) -> Path:
    """1000 bytes, and its lock."""
    path = folder / f'fastrtps_{number:016x}'
    path.write_bytes(bytes(1000))
    lock = folder / f'{path.name}_el'
    lock.touch()
    os.utime(lock, (lock.stat().st_mtime - age_s,) * 2)
    return path


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    dead, held, young = segment(tmp_path, 1), segment(tmp_path, 2), segment(tmp_path, 3, 0.0)
    (tmp_path / 'fastrtps_port7411').write_bytes(b'x')
    (tmp_path / 'other_el').touch()
    command = code_command(HOLDER, str(tmp_path / f'{held.name}_el'))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == 'held\n'
    os.utime(tmp_path / f'{held.name}_el', (0, 0))
    assert remove_abandoned(tmp_path) == 1000
    assert [path.exists() for path in (dead, held, young)] == [False, True, True]
    process.kill()
    process.communicate()
    assert remove_abandoned(tmp_path) == 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'fastrtps_0000000000000003', 'fastrtps_0000000000000003_el', 'fastrtps_port7411',
        'other_el',
    ]  # fmt: skip
    assert remove_abandoned(tmp_path / 'nowhere') == 0


def segments_of(pid: int) -> set[str]:
    """Those that are mapped and whose lock is there, once there are any."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        maps = Path(f'/proc/{pid}/maps').read_text()
        found = set(re.findall(r'/dev/shm/((?:fastrtps|fastdds)_[0-9a-f]{16})\n', maps))
        found = {name for name in found if Path(f'/dev/shm/{name}_el').exists()}
        if found:
            return found
        time.sleep(0.1)
    return set()


def started(log: Path) -> subprocess.Popen[bytes]:
    command = module_command('mtscene_ros.ros.node', '--ros-args', '-p', 'backend:=onnxruntime')
    with log.open('wb') as file:
        return subprocess.Popen(command, stderr=file)


@pytest.mark.skipif(not os.path.isdir('/dev/shm'), reason='there is no /dev/shm')
def test_a_node_frees_what_a_killed_one_left(tmp_path: Path) -> None:
    """That node, or another one that a test beside this one starts."""
    first = started(tmp_path / 'first')
    left = segments_of(first.pid)
    time.sleep(YOUNG_S)
    first.kill()
    first.wait()
    second = started(tmp_path / 'second')
    own, end_s = segments_of(second.pid), time.monotonic() + PATIENCE_S
    while left & {*os.listdir('/dev/shm')}:
        assert time.monotonic() < end_s
        time.sleep(0.1)
    second.terminate()
    assert second.wait(PATIENCE_S) == 0
    assert left
    assert own
