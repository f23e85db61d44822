"""What cameras do wrong, in the real node: followed, told, counted to the frame."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from ros.conftest import log_of
from ros.fleet import Fleet, info_of
from trust.tools import (
    GREY,
    INFO,
    SEC,
    TOPICS,
    all_accounted,
    counts,
    image,
    level_becomes,
    meet,
    send,
    show_until_it_runs,
    stored_model,
)

Tried = Callable[[int], None]
Start = Callable[..., subprocess.Popen[str]]
WARN = b'\1'


def inform(fleet: Fleet, info: Any) -> None:
    """camera_info, so often that not all are lost; the node takes it before the next image."""
    for _ in range(5):
        fleet.infos[''].publish(info)
        fleet.pause(0.02)


def test_a_camera_that_stops_and_returns(start_node: Start, fleet: Fleet) -> None:
    """WARN 'no image' after two seconds, OK again with the next image, no frame lost."""
    start_node(backend='onnxruntime')
    before, stamps_ns = meet(fleet), count(10 * SEC, SEC)
    show_until_it_runs(fleet, stamps_ns)
    assert 'no image on /camera/image_raw' in level_becomes(fleet, 'camera', WARN)
    fleet.diagnostics.clear()
    last = show_until_it_runs(fleet, stamps_ns)
    sent = next(stamps_ns) // SEC - 10
    assert counts(last, before) == (sent, sent, 0, 0)


def test_a_camera_that_changes_everything(start_node: Start, fleet: Fleet) -> None:
    """Size, encoding, intrinsics and frame from one image to the next: each is obeyed."""
    process = start_node(backend='onnxruntime')
    before = meet(fleet)
    # Another size than camera_info: labels alone, and a sentence.
    send(fleet, image(np.full((64, 128, 3), 80, np.uint8), 10 * SEC))
    assert not fleet.got['', 'depth/image']
    assert fleet.got['', 'semantic/image'][-1].width == 128
    inform(fleet, info_of('', 128, 64, 128.0))
    send(fleet, image(np.full((64, 128, 3), 80, np.uint8), 11 * SEC))
    # 80 / 2 = 40 m canonical, seen with fx 128 px at a quarter size, 32 px: 40 m.
    assert depth_m(fleet) == 40.0
    send(fleet, image(np.full((64, 128, 1), 80, np.uint8), 12 * SEC, 'mono8', 'rear'))
    assert depth_m(fleet) == 40.0
    assert fleet.got['', 'depth/image'][-1].header.frame_id == 'rear'
    inform(fleet, info_of('', 128, 64, 64.0))  # zoomed out: half the focal length
    last = send(fleet, image(np.full((64, 128, 4), 80, np.uint8), 13 * SEC, 'bgra8', ''))
    last = send(fleet, image(np.full((64, 128, 3), 80, np.uint8), 14 * SEC, 'bgr8'))
    assert depth_m(fleet) == 20.0
    assert len(fleet.got['', 'depth/image']) == 3  # of 11, 12 and 14 s: no frame_id, no 3D
    assert counts(last, before) == (5, 5, 0, 0)
    assert 'describes 64x32 px, the image has 128x64' in log_of(process)


def depth_m(fleet: Fleet) -> float:
    """Of the newest image, the same everywhere."""
    stats = fleet.got['', 'debug/frame_stats'][-1]
    found = fleet.got['', 'depth/image']
    fleet.wait(lambda: bool(found) and found[-1].header.stamp == stats.header.stamp)
    [value] = set(np.frombuffer(found[-1].data, np.float32))
    return float(value)


STAMPS = {
    'zero': [0, 0, 0],
    'repeated': [10 * SEC, 10 * SEC, 10 * SEC],
    'going back': [20 * SEC, 10 * SEC, 15 * SEC, 5 * SEC],
    'far ahead': [10 * SEC, 2_000_000_000 * SEC, 11 * SEC],
    'before 1970': [-5 * SEC, -4 * SEC, 10 * SEC],
    'the last': [(2**31 - 1) * SEC + SEC - 1, 10 * SEC],
}


@pytest.mark.parametrize(
    'limits',
    [
        {},
        pytest.param({'tracking.enabled': True, 'tracking.frame': "''"}, marks=pytest.mark.trust),
        pytest.param({'max_rate_hz': 10.0}, marks=pytest.mark.trust),
    ],
)
def test_strange_stamps(
    start_node: Start, fleet: Fleet, limits: dict[str, Any], tried: Tried
) -> None:
    """Every image is published with its own stamp, whatever came before."""
    start_node(backend='onnxruntime', **limits)
    before = meet(fleet)
    given = [stamp_ns for stamps in STAMPS.values() for stamp_ns in stamps]
    for stamp_ns in given:
        last = send(fleet, image(GREY, stamp_ns))
    tried(len(given))
    stamps = [m.header.stamp for m in fleet.got['', 'debug/frame_stats']]
    assert [s.sec * SEC + s.nanosec for s in stamps] == given
    assert counts(last, before) == (len(given), len(given), 0, 0)


@pytest.mark.trust
def test_images_without_a_stamp_and_a_limit_of_age(start_node: Start, fleet: Fleet) -> None:
    """max_age_ms drops and counts them, and says so; one of now goes through."""
    process = start_node(backend='onnxruntime')
    before = meet(fleet)
    process_log = limited(fleet, before)
    assert process_log == (4, 1, 3, 0)
    assert 'ms old and was dropped (max_age_ms is 5000)' in log_of(process)


def limited(fleet: Fleet, before: Any) -> tuple[int, int, int, int]:
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
    from rcl_interfaces.srv import SetParameters

    double = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=5000.0)
    request = SetParameters.Request(parameters=[Parameter(name='max_age_ms', value=double)])
    assert fleet.call(SetParameters, 'set_parameters', request).results[0].successful
    for _ in range(3):
        fleet.images[''].publish(image(GREY, 0))
        fleet.pause(0.3)
    return counts(send(fleet, image(GREY, time.time_ns())), before)


@pytest.mark.parametrize(
    'policy', ['synchronised', pytest.param('latest', marks=pytest.mark.trust)]
)
def test_cameras_whose_clocks_are_far_apart(start_node: Start, tmp_path: Any, policy: str) -> None:
    """An hour: both are served as they come; where images of one moment are asked for, the late
    one is dropped, and diagnostics say why. Every frame of both is accounted for."""
    model = stored_model(tmp_path / 'stored.npz')
    start_node(model=model, backend='constant', cameras="['a', 'b']", **{'sync.policy': policy})
    fleet = Fleet(('a', 'b'), TOPICS)
    meet(fleet)
    numbers = count()

    def is_enough() -> bool:
        k = next(numbers)
        fleet.images['b'].publish(image(GREY, k * SEC // 30))
        send(fleet, image(GREY, 3600 * SEC + k * SEC // 30), 'a')
        printed = [s.message for d in fleet.diagnostics for s in d.status if 'camera b' in s.name]
        return k >= 30 and (
            policy == 'latest' or any('set the clock right' in text for text in printed)
        )

    fleet.wait(is_enough)
    values = [{v.key: v.value for v in fleet.status_of(f'camera {c}').values} for c in 'ab']
    fleet.node.destroy_node()
    for of_camera in values:
        received, *outcomes = (int(of_camera[k]) for k in ACCOUNT)
        assert 0 <= received - sum(outcomes) <= 1
    published = [int(of_camera['published']) for of_camera in values]
    assert min(published[:1] if policy == 'synchronised' else published) > 20, values


ACCOUNT = ('received', 'published', 'dropped', 'failed')


@pytest.mark.trust
def test_a_camera_that_floods_with_garbage(start_node: Start, fleet: Fleet, tried: Tried) -> None:
    """5000 images, each wrong in another way: all failed or dropped, the log stays short."""
    process = start_node(backend='onnxruntime')
    before, sent = meet(fleet, INFO), 5000
    for k in range(sent):
        message = image(GREY, k)
        message.step = 200 + k
        fleet.images[''].publish(message)
        if k % 5 == 0:
            fleet.pause(0.001)
    fleet.pause(1.0)
    last = send(fleet, image(GREY, 10 * SEC))
    received, published, dropped, failed = counts(last, before)
    tried(sent)
    assert published == 1
    assert received == published + dropped + failed
    assert failed > 100
    assert all_accounted(last)
    assert log_of(process).count('[WARN]') < 100
