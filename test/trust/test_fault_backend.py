"""What a runtime does wrong, in the real node: told, counted to the frame, and survived."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from lifecycle_msgs.msg import Transition
from patience import PATIENCE_S
from ros.conftest import log_of
from ros.fleet import Fleet
from ros.test_services import change, state
from trust.conftest import times
from trust.tools import (
    GREY,
    INFO,
    SEC,
    all_accounted,
    counts,
    image,
    level_becomes,
    meet,
    send,
    show_until_it_runs,
    stored_model,
)

from mtscene_ros.backends.constant import Fault

Tried = Callable[[int], None]
Start = Callable[..., subprocess.Popen[str]]
OK, WARN, ERROR = b'\0', b'\1', b'\2'


@pytest.fixture
def start(start_node: Start, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """start(fault, parameters, stored model's behaviour) → the node with stored outputs."""

    def begin(
        fault: Fault | None, parameters: dict[str, Any] | None = None, **behaviour: Any
    ) -> subprocess.Popen[str]:
        model = stored_model(tmp_path / 'stored.npz', fault=fault, **behaviour)
        return start_node(model=model, backend='constant', **(parameters or {}))

    return begin


SENTENCES = {
    'raises': 'This inference fails, as the stored outputs demand.',
    'raises_another': 'Unexpected ArithmeticError: an error of an unknown kind',
    'out_of_memory': 'failed on GPU 0 with error 2 (out of memory); free GPU memory',
    'misshapen': 'The runtime returned uint8 (1, 16, 31) instead of uint8 (1, 16, 32).',
    'of_another_kind': 'The runtime returned float64 (1, 16, 32) instead of uint8',
    'lost': 'The runtime did not return boxes3d_scores.',
}
SLOW = [pytest.param(kind, marks=pytest.mark.trust) for kind in list(SENTENCES)[1:]]


@pytest.mark.parametrize('kind', ['raises', *SLOW])
def test_a_fault_that_passes(start: Any, fleet: Fleet, kind: str, tried: Tried) -> None:
    """Three inferences fail: three frames count as failed, the others are published."""
    process = start(Fault(kind, first=60, count=3))
    before, sent = meet(fleet), 80
    for k in range(sent):
        last = send(fleet, image(GREY, (10 + k) * SEC))
    tried(3)
    assert counts(last, before) == (sent, sent - 3, 0, 3)
    show_until_it_runs(fleet, count(100 * SEC, SEC))
    assert log_of(process).count(SENTENCES[kind]) == 1


@pytest.mark.trust
@pytest.mark.parametrize('kind', SENTENCES)
def test_a_fault_that_stays(start: Any, fleet: Fleet, kind: str, tried: Tried) -> None:
    """Every frame counts as failed; ERROR in diagnostics; the node stays."""
    process = start(Fault(kind))
    before = meet(fleet)
    for k in range(12):
        last = send(fleet, image(GREY, (10 + k) * SEC))
    tried(12)
    assert counts(last, before) == (12, 0, 0, 12)
    assert SENTENCES[kind] in level_becomes(fleet, 'camera', ERROR)
    assert process.poll() is None
    assert SENTENCES[kind] in log_of(process)


@pytest.mark.trust
def test_a_model_that_fails_while_it_warms_up(start: Any) -> None:
    """The node does not start, and says why."""
    process = start(Fault('out_of_memory', first=1))
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert 'out of memory' in log
    assert 'Traceback' not in log


def test_not_a_number(start: Any, fleet: Fleet) -> None:
    """Depth is unknown, boxes are left out, labels go on, diagnostics warn."""
    process = start(Fault('nan', first=1))
    meet(fleet)
    fleet.infos[''].publish(INFO)
    last = send(fleet, image(GREY, 10 * SEC))
    assert (last.failed, all_accounted(last)) == (0, True)
    fleet.wait(lambda: bool(fleet.got['', 'depth/image'] and fleet.got['', 'detections_3d']))
    assert np.isnan(np.frombuffer(fleet.got['', 'depth/image'][-1].data, np.float32)).all()
    assert fleet.got['', 'detections_3d'][-1].detections == []
    assert set(fleet.got['', 'semantic/image'][-1].data) == {10}
    sentence = 'The model returned NaN in boxes3d_code, boxes3d_scores, depth: it is damaged'
    assert sentence in level_becomes(fleet, 'camera', WARN)
    assert sentence in log_of(process)


def hang(fleet: Fleet) -> str:
    """Sends images until the watchdog speaks → its sentence."""
    fleet.wait(lambda: fleet.images[''].get_subscription_count() > 0)
    end_s = time.monotonic() + PATIENCE_S
    while (status := fleet.status_of('model')).level != ERROR:
        assert time.monotonic() < end_s, status.message
        fleet.images[''].publish(image(GREY, 5))
    return str(status.message)


def test_a_runtime_that_hangs(start: Any, fleet: Fleet) -> None:
    """ERROR; images are still counted; every transition works; SIGINT ends the process."""
    process = start(Fault('hangs', first=2), {'watchdog.timeout_s': 1.0})
    assert 'The runtime has not returned for' in hang(fleet)
    for k in range(5):
        fleet.images[''].publish(image(GREY, (10 + k) * SEC))
        fleet.pause(0.05)
    values = {v.key: v.value for v in fleet.status_of('camera').values}
    received, done = int(values['received']), int(values['published']) + int(values['dropped'])
    assert received == done + 2  # one in work, one waiting
    renew(fleet)
    assert 'hangs' in hang(fleet)
    begin_s = time.monotonic()
    assert 'The runtime hangs, so its model and its memory cannot be freed' in log_of(process)
    assert process.returncode == 0
    assert time.monotonic() - begin_s < times(8.0, PATIENCE_S)


def renew(fleet: Fleet) -> None:
    """Through all states with a runtime that hangs: to the same model, loaded anew."""
    begin_s = time.monotonic()
    assert change(fleet, Transition.TRANSITION_DEACTIVATE)
    assert time.monotonic() - begin_s < times(3.0, PATIENCE_S)
    assert not change(fleet, Transition.TRANSITION_ACTIVATE)  # its model is gone
    assert change(fleet, Transition.TRANSITION_CLEANUP)
    assert change(fleet, Transition.TRANSITION_CONFIGURE)
    assert change(fleet, Transition.TRANSITION_ACTIVATE)
    assert state(fleet) == 'active'


@pytest.mark.trust
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_whose_runtime_hangs(start: Any, fleet: Fleet, number: int) -> None:
    """Within the 5 s that `ros2 launch` gives, exit code 0."""
    process = start(Fault('hangs', first=2), {'watchdog.timeout_s': 1.0})
    hang(fleet)
    begin_s = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert time.monotonic() - begin_s < 5


@pytest.mark.trust
def test_a_node_that_ends_itself_when_its_runtime_hangs(start: Any, fleet: Fleet) -> None:
    """watchdog.exit: exit code 1, so that the launch file's use_respawn starts it anew."""
    process = start(Fault('hangs'), {'watchdog.timeout_s': 1.0, 'watchdog.exit': True})
    fleet.wait(lambda: fleet.images[''].get_subscription_count() > 0)
    end_s = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        assert time.monotonic() < end_s
        fleet.images[''].publish(image(GREY, 5))
        fleet.pause(0.1)
    assert process.returncode == 1


@pytest.mark.trust
def test_a_runtime_that_is_late_but_comes_back(start: Any, fleet: Fleet) -> None:
    """ERROR while it is away, OK afterwards, and its frame is published."""
    process = start(None, {'watchdog.timeout_s': 0.5}, delay_s=4.0)
    meet(fleet)
    fleet.images[''].publish(image(GREY, 10 * SEC))
    level_becomes(fleet, 'model', ERROR)
    stats = fleet.got['', 'debug/frame_stats']
    fleet.wait(lambda: bool(stats) and stats[-1].header.stamp.sec == 10)
    level_becomes(fleet, 'model', OK)
    assert (stats[-1].failed, all_accounted(stats[-1])) == (0, True)
    assert 'The runtime has returned.' in log_of(process)


@pytest.mark.trust
def test_a_runtime_that_hangs_while_it_loads(start: Any, fleet: Fleet) -> None:
    """The node answers all the while, and SIGINT ends it."""
    process = start(Fault('hangs', first=1))
    assert 'loading: opening' in fleet.status_of('model').message
    assert state(fleet) == 'active'
    process.send_signal(signal.SIGINT)
    assert 'Traceback' not in process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
