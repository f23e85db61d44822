"""Signals in every state, loading beside the executor, and memory over many states and images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny_spec
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from mtscene_msgs.srv import SwapModel
from patience import PATIENCE_S

from mtscene_ros.backends.constant import write
from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of

Start, FleetOf = Callable[..., subprocess.Popen[str]], Callable[..., Fleet]
INFO = info_of('', 64, 32, 64.0)
SEC = 10**9
SLOW_S = 600.0  # of one inference, and so of loading, which warms up: nobody waits for its end


@pytest.fixture(scope='module')
def slow_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stored outputs that take SLOW_S."""
    spec, path = tiny_spec(), tmp_path_factory.mktemp('slow') / 'slow.npz'
    write(path, spec, {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs}, SLOW_S)
    return path


def change(fleet: Fleet, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(fleet.call(ChangeState, 'change_state', request).success)


def state(fleet: Fleet) -> str:
    return str(fleet.call(GetState, 'get_state', GetState.Request()).current_state.label)


def unconfigured(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = start(autostart=False)
    assert state(fleet) == 'unconfigured'
    return process


def loading(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = start(autostart=False, model=slow, backend='constant')
    assert change(fleet, Transition.TRANSITION_CONFIGURE)
    return process


def inactive(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = start(autostart=False)
    assert change(fleet, Transition.TRANSITION_CONFIGURE)
    fleet.wait(lambda: 'loading' not in fleet.status_of('model').message)
    return process


def active(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = start()
    fleet.connect({'': INFO})
    return process


def streaming(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = active(start, fleet, slow, frame)
    for k in range(30):  # the last ones are still on their way when the signal comes
        fleet.show('', np.tile(frame.rgb, (10, 10, 1)), (k + 1) * SEC)
    return process


def swapping(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = start(backend='constant', model=quick(slow))
    fleet.connect({'': INFO})
    fleet.client(SwapModel, 'swap_model').call_async(SwapModel.Request(model=str(slow)))
    fleet.wait(lambda: 'slow.npz' in str(fleet.status_of('model').values))
    return process


def finalized(start: Start, fleet: Fleet, slow: Path, frame: CameraFrame) -> Any:
    process = active(start, fleet, slow, frame)
    assert change(fleet, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(fleet) == 'finalized'
    return process


def quick(slow: Path) -> Path:
    """The same without the delay."""
    spec, path = tiny_spec(), slow.with_name('quick.npz')
    write(path, spec, {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs})
    return path


STATES = (unconfigured, loading, inactive, streaming, swapping, finalized)
# SIGTERM in the quieter states takes `make states`: each needs two seconds for a process.
TERM_IN = STATES if os.environ.get('MTSCENE_STATES') else (loading, streaming, swapping)
CASES = [(each, signal.SIGINT) for each in STATES] + [(each, signal.SIGTERM) for each in TERM_IN]


@pytest.mark.parametrize(
    ('reach', 'number'), CASES, ids=[f'{each.__name__}-{number.name}' for each, number in CASES]
)
def test_a_signal_ends_the_node_in_every_state(
    start_node: Start,
    fleet_of: FleetOf,
    slow_path: Path,
    frame: CameraFrame,
    reach: Callable[..., Any],
    number: int,
) -> None:
    fleet = fleet_of(('',), topics=('semantic/image', 'depth/image', 'debug/frame_stats'))
    process = reach(start_node, fleet, slow_path, frame)
    process.send_signal(number)
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, log
    for word in ('Traceback', 'terminate called', 'Unexpected', 'core dumped'):
        assert word not in log, log


def test_loading_blocks_nothing_is_told_and_ends_by_cleanup(
    start_node: Start, fleet_of: FleetOf, slow_path: Path, frame: CameraFrame
) -> None:
    fleet = fleet_of(('',), topics=())
    process = loading(start_node, fleet, slow_path, frame)
    assert [state(fleet) for _ in range(10)] == ['inactive'] * 10
    status = fleet.status_of('model')
    assert (status.level, status.message.split(':')[0]) == (b'\1', 'loading')
    assert change(fleet, Transition.TRANSITION_ACTIVATE)  # images wait for the model
    assert change(fleet, Transition.TRANSITION_DEACTIVATE)
    assert change(fleet, Transition.TRANSITION_CLEANUP)
    assert state(fleet) == 'unconfigured'
    assert fleet.status_of('model').message == 'no model: unconfigured'
    assert process.poll() is None


def run_loops(*arguments: str) -> list[dict[str, float]]:
    """What loops.py tells, line by line."""
    command = [sys.executable, str(Path(__file__).with_name('loops.py')), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_fifty_loops_through_all_states_leave_memory_files_and_threads_constant(
    tiny_path: str,
) -> None:
    reported = run_loops('states', tiny_path, '50')
    assert len(reported) == 50
    early, last = reported[14], reported[-1]
    assert last['published'] == 1  # each loop saw an image through
    assert last['files'] <= early['files'] + 2  # one a loop would be 35
    assert last['threads'] <= early['threads'] + 2
    assert last['resident_mb'] - early['resident_mb'] < 8, [
        t['resident_mb'] for t in reported[4::5]
    ]


def test_memory_is_fixed_once_the_first_images_came(slow_path: Path) -> None:
    """Six cameras of 1280 x 720; over 40 more images each, memory grows by no more than an image
    a camera: one of every image kept would be 660 MB."""
    reported = run_loops('images', str(quick(slow_path)), '80')
    early, last = reported[39], reported[-1]
    images_mb = 6 * 1280 * 720 * 3 / 1e6
    assert last['resident_mb'] - early['resident_mb'] < images_mb, (early, last)
    assert last['files'] <= early['files'] + 2
    assert last['threads'] <= early['threads'] + 2
