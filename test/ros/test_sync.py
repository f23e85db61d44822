"""Which images are taken together, which are too old or too many, and time that jumps back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from patience import PATIENCE_S
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of
from .inside import Inside

InsideOf, FleetOf = Callable[..., Inside], Callable[..., Fleet]
SEC, MS = 10**9, 10**6
TWO = ('front', 'left')
INFO = info_of('', 64, 32, 64.0)
TOPICS = ('semantic/image', 'debug/frame_stats')


def pair(inside_of: InsideOf, fleet_of: FleetOf, **parameters: object) -> tuple[Inside, Fleet]:
    inside = inside_of(cameras=list(TWO), **parameters)
    fleet = fleet_of(TWO, topics=TOPICS)
    inside.connect(fleet, dict.fromkeys(TWO, INFO))
    inside.batches.clear()
    return inside, fleet


def test_synchronised_cameras_are_one_batch_and_one_that_stops_holds_up_none(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    inside, fleet = pair(inside_of, fleet_of, **{'sync.policy': 'synchronised'})
    clock = inside.stop_clock()
    inside.show(fleet, 'front', frame.rgb, 0)  # nobody knows of the left one yet
    show_and_wait_in_vain(inside, fleet, clock, 'left', frame.rgb, 15 * MS)
    for k in (1, 2):
        fleet.show('front', frame.rgb, k * 100 * MS)
        fleet.wait(lambda: inside.is_waiting('front'))
        fleet.show('left', frame.rgb, (k * 100 + 15) * MS)
        fleet.wait(lambda k=k: inside.settled('left') == inside.settled('front') == k + 1)
    assert inside.batches == [1, 1, 2, 2]
    for k in range(3, 6):  # the left camera is silent
        show_and_wait_in_vain(inside, fleet, clock, 'front', frame.rgb, k * 100 * MS)
    assert inside.batches[4:] == [1, 1, 1]
    fleet.show('left', frame.rgb, 600 * MS)  # and it comes back
    inside.show(fleet, 'front', frame.rgb, 600 * MS)
    fleet.wait(lambda: (inside.settled('left'), inside.settled('front')) == (4, 7))
    assert inside.batches[7:] == [2]
    assert [inside.node._mailbox.counts(camera).dropped for camera in TWO] == [0, 0]


def show_and_wait_in_vain(
    inside: Inside, fleet: Fleet, clock: Any, camera: str, rgb: np.ndarray, stamp_ns: int
) -> None:
    """An image that waits for the other camera's as long as the mailbox has patience."""
    before = inside.settled(camera)
    fleet.show(camera, rgb, stamp_ns)
    fleet.wait(lambda: inside.is_waiting(camera))
    assert inside.settled(camera) == before
    clock.now_s += inside.node._mailbox.policy.patience_s + MS / SEC
    fleet.wait(lambda: inside.settled(camera) == before + 1)


def test_a_camera_whose_clock_is_behind_is_told(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    _, fleet = pair(inside_of, fleet_of, **{'sync.policy': 'synchronised'})
    end_s = time.monotonic() + PATIENCE_S
    message = ''
    while 'before those of other cameras' not in message and time.monotonic() < end_s:
        stamp_ns = round(time.monotonic() * SEC)
        fleet.show('left', frame.rgb, stamp_ns - 300 * MS)
        fleet.show('front', frame.rgb, stamp_ns)
        fleet.pause(0.1)
        entries = [s for d in fleet.diagnostics[-1:] for s in d.status]
        message = ''.join(s.message for s in entries if s.name.endswith('camera left'))
    assert 'images lie 300 ms before those of other cameras' in message
    assert 'raise sync.max_skew_ms' in message


def test_latest_takes_whatever_is_there(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    inside, fleet = pair(inside_of, fleet_of)
    inside.show(fleet, 'front', frame.rgb, SEC)
    inside.show(fleet, 'left', frame.rgb, 9 * SEC)
    assert inside.batches == [1, 1]


def test_a_rate_that_is_set_while_running(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    inside, fleet = inside_of(), fleet_of(('',), topics=TOPICS)
    inside.connect(fleet, {'': INFO})
    inside.show(fleet, '', frame.rgb, SEC)
    [result] = inside.node.set_parameters([Parameter('max_rate_hz', value=5.0)])
    assert result.successful
    inside.until(lambda: inside.node._mailbox.policy.min_period_ns == 196 * MS)  # 2 % of jitter
    for stamp_ms in (1100, 1200, 1300, 1400):
        inside.show(fleet, '', frame.rgb, stamp_ms * MS)
    labels = fleet.got['', 'semantic/image']
    fleet.wait(lambda: len(labels) == 3)
    stamps = [m.header.stamp.nanosec // MS for m in labels]
    assert stamps == [0, 200, 400]
    assert inside.node._mailbox.counts('').dropped == 2


def set_clock(inside: Inside, fleet: Fleet, clock: Any, now_ns: int) -> None:
    tick = Clock()
    tick.clock.sec, tick.clock.nanosec = divmod(now_ns, SEC)
    while inside.node.get_clock().now().nanoseconds != now_ns:
        clock.publish(tick)
        fleet.pause(0.05)


def test_old_images_are_dropped_by_the_nodes_clock_and_time_may_jump_back(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    inside = inside_of(
        use_sim_time=True, max_age_ms=100.0, **{'tracking.enabled': True, 'tracking.frame': ''}
    )
    fleet = fleet_of(('',), topics=(*TOPICS, 'detections_3d'))
    inside.connect(fleet, {'': INFO})
    clock = fleet.node.create_publisher(Clock, '/clock', 10)
    found = fleet.got['', 'detections_3d']
    for now, stamp in ((100.0, 99.95), (100.1, 100.05), (100.2, 99.0), (50.0, 50.0), (50.1, 50.1)):
        set_clock(inside, fleet, clock, round(now * SEC))
        inside.show(fleet, '', frame.rgb, round(stamp * SEC))
    fleet.wait(lambda: len(found) == 4)  # that of 99.0 is a second old
    assert [m.detections[0].id for m in found] == ['', '1', '', '2']
    assert inside.node._mailbox.counts('').dropped == 1


def test_size_and_intrinsics_may_change_in_mid_stream(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    inside = inside_of()
    fleet = fleet_of(('',), topics=('depth/image', 'depth/camera_info', 'points'))
    inside.connect(fleet, {'': INFO})
    twice = frame.rgb.repeat(2, 0).repeat(2, 1)
    seen = []
    # Twice the pixels with twice the focal length is the same view; then a longer lens.
    for k, (rgb, fx) in enumerate(((frame.rgb, 64.0), (twice, 128.0), (twice, 256.0))):
        fleet.infos[''].publish(info_of('', rgb.shape[1], rgb.shape[0], fx))
        fleet.wait(lambda fx=fx: inside.worker.cameras[''].input._frames.info.k[0] == fx)
        inside.show(fleet, '', rgb, (k + 1) * SEC)
        fleet.wait(lambda k=k: all(len(fleet.got['', t]) == k + 1 for _, t in fleet.listened))
        depth = fleet.got['', 'depth/image'][-1]
        metres = np.frombuffer(depth.data, '<f4').reshape(depth.height, depth.width)
        cloud, info = fleet.got['', 'points'][-1], fleet.got['', 'depth/camera_info'][-1]
        assert (cloud.width, cloud.height) == (depth.width, depth.height)
        seen.append((depth.width, depth.height, float(metres[-1, 0]), info.k[0]))
    assert seen == [(64, 32, 20.0, 64.0), (128, 64, 20.0, 128.0), (128, 64, 40.0, 256.0)]


def test_an_image_without_its_camera_info_waits_for_none(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    """The size changes before camera_info does: labels go on, depth pauses, nothing fails."""
    inside = inside_of()
    fleet = fleet_of(('',), topics=('semantic/image', 'depth/image'))
    inside.connect(fleet, {'': INFO})
    for k, rgb in enumerate((frame.rgb, frame.rgb[:, :32].copy(), frame.rgb)):
        inside.show(fleet, '', rgb, (k + 1) * SEC)
    fleet.wait(lambda: len(fleet.got['', 'semantic/image']) == 3)
    fleet.wait(lambda: len(fleet.got['', 'depth/image']) == 2)
    assert [m.width for m in fleet.got['', 'semantic/image']] == [64, 32, 64]
    assert [m.header.stamp.sec for m in fleet.got['', 'depth/image']] == [1, 3]
    assert inside.node._mailbox.counts('').failed == 0
