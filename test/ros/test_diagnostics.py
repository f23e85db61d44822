"""What /diagnostics says of frames that are late, fail, or lack something."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny_spec
from patience import PATIENCE_S
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.backends.constant import write
from mtscene_ros.backends.engine_build import BuildSettings
from mtscene_ros.backends.engine_process import build_in_subprocess
from mtscene_ros.camera.camera_frames import Level
from mtscene_ros.models.catalogue import BUNDLED_MODEL
from mtscene_ros.ros.diagnostics import missing_topic, model_status, verdict
from mtscene_ros.ros.loading import Loading
from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of
from .inside import Inside

InsideOf, FleetOf = Callable[..., Inside], Callable[..., Fleet]
INFO = info_of('', 64, 32, 64.0)
SEC = 10**9
LATE = 'longer than diagnostics.max_latency_ms'


def stored(path: Path, **how: Any) -> str:
    """A model of stored outputs."""
    spec = tiny_spec()
    write(path, spec, {t.name: np.ones((1, *t.shape[1:]), t.dtype) for t in spec.outputs}, **how)
    return str(path)


def printed(inside: Inside, idle: str = '') -> tuple[Level, str]:
    """The verdict on the only camera."""
    return verdict(inside.worker.cameras[''], 0, '', idle)


def test_late_frames_warn_then_are_an_error_and_good_ones_mend_it(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame, tmp_path: Path
) -> None:
    limits = {'diagnostics.max_latency_ms': 5.0, 'diagnostics.late_frames': 2}
    model = stored(tmp_path / 'm.npz', delay_s=0.01)
    inside = inside_of(model=model, backend='constant', **limits)
    fleet = fleet_of(('',), topics=('semantic/image',))
    inside.connect(fleet, {'': INFO})
    inside.stop_clock()  # the camera is not silent, however long the diagnostics take
    levels = []
    for k in range(22):
        if k == 20:
            fleet.wait(lambda: LATE in fleet.status_of('camera').message)
            inside.node.set_parameters([Parameter('diagnostics.max_latency_ms', value=0.0)])
        inside.show(fleet, '', frame.rgb, (k + 1) * SEC)
        inside.until(lambda k=k: said_of(inside) == k + 1)
        levels.append(int(printed(inside)[0]))
    assert levels == [0, *[1] * 18, 2, 2, 0]
    assert fleet.status_of('camera').hardware_id == '/camera/image_raw'
    assert fleet.status_of('model').hardware_id == platform.node()


def said_of(inside: Inside) -> int:
    """Frames in the statistics."""
    return len(inside.worker.cameras[''].latencies._stages.get('age', ()))


def test_a_network_that_fails_is_told_and_mends_itself(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame, tmp_path: Path
) -> None:
    """Every second inference fails: a warning each time, no error, and the other half passes."""
    inside = inside_of(model=stored(tmp_path / 'm.npz', fail_every=2), backend='constant')
    fleet = fleet_of(('',), topics=('semantic/image', 'debug/frame_stats'))
    inside.connect(fleet, {'': INFO})
    levels = []
    for k in range(6):  # warming up was the first inference
        inside.show(fleet, '', frame.rgb, (k + 1) * SEC)
        fleet.wait(lambda k=k: len(fleet.got['', 'debug/frame_stats']) == k + 1)
        levels.append(int(printed(inside)[0]))
    assert levels == [1, 0, 1, 0, 1, 0]
    stats = fleet.got['', 'debug/frame_stats'][-1]
    assert (stats.received, stats.published, stats.failed) == (6, 3, 3)
    failed = fleet.got['', 'debug/frame_stats'][0]
    assert (failed.header.stamp.sec, len(failed.stages)) == (1, 0)


def image(frame: CameraFrame, **fields: Any) -> Image:
    message = Image(height=32, width=64, step=192, encoding='rgb8', data=frame.rgb.tobytes())
    message.header.frame_id = fields.pop('frame_id', '_optical')
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ('message', 'info', 'level', 'sentence'),
    [
        ({'frame_id': ''}, INFO, Level.ERROR, 'The image has an empty frame_id, so no 3D output'),
        ({}, CameraInfo(width=64, height=32), Level.WARN, 'the camera is not calibrated'),
        ({}, info_of('', 640, 480, 64.0), Level.WARN, 'camera_info describes 640x480 px'),
        ({'encoding': 'x'}, INFO, Level.WARN, "Image encoding 'x' is not supported"),
        ({'frame_id': 'other'}, INFO, Level.OK, 'running'),
    ],
)
def test_what_an_image_lacks(
    inside_of: InsideOf,
    fleet_of: FleetOf,
    frame: CameraFrame,
    message: dict[str, Any],
    info: CameraInfo,
    level: Level,
    sentence: str,
) -> None:
    inside, fleet = inside_of(), fleet_of(('',), topics=('semantic/image',))
    inside.connect(fleet, {'': info})
    before = inside.settled('')
    fleet.images[''].publish(image(frame, **message))
    fleet.wait(lambda: inside.settled('') > before)
    found = printed(inside)
    assert found[0] == level
    assert sentence in found[1]
    assert printed(inside, 'no subscribers') == (Level.OK, 'idle: no subscribers')


def test_three_failures_in_a_row_are_an_error(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame
) -> None:
    inside, fleet = inside_of(), fleet_of(('',), topics=('semantic/image',))
    inside.connect(fleet, {'': INFO})
    for k in range(3):
        fleet.images[''].publish(image(frame, step=7))
        fleet.wait(lambda k=k: inside.settled('') == k + 1)
    assert printed(inside)[0] == Level.ERROR
    inside.show(fleet, '', frame.rgb, SEC)
    assert printed(inside) == (Level.OK, 'running')


def test_near_topics_are_told_nearest_first(fleet_of: FleetOf) -> None:
    node = fleet_of((), topics=()).node
    for topic in ('/b/camera_info', '/front/left/camera_info', '/front/camera_info'):
        node.create_publisher(CameraInfo, topic, 1)
    node.create_publisher(CompressedImage, '/a/image_raw/compressed', 1)
    info = missing_topic(
        node, '/front/cam/camera_info', 'sensor_msgs/msg/CameraInfo', 'camera_info'
    )
    assert info.startswith('no camera_info on /front/cam/camera_info; /front/camera_info has one')
    assert info.endswith('/b/camera_info has one publisher.')
    found = missing_topic(node, '/a/image_raw', 'sensor_msgs/msg/Image', 'image')
    assert found == (
        'no image on /a/image_raw; /a/image_raw/compressed has one publisher of CompressedImage '
        '(see image_transport).'
    )


def test_an_engines_build_tells_how_far_it_is_and_is_ended() -> None:
    pytest.importorskip('tensorrt_rtx')
    model, ada = Path(BUNDLED_MODEL), BuildSettings(target='8.9')
    loading = Loading(
        str(model), lambda reported: build_in_subprocess(model, 'tensorrt_rtx', ada, reported)
    )
    while not loading.share and not loading.is_done:
        loading._thread.join(0.05)
    status = model_status('node', None, loading)
    assert status.level == b'\1'
    assert status.message.startswith('loading: ')
    assert status.message.endswith(' %')
    assert loading.phase != 'opening'
    loading.cancel(wait_s=PATIENCE_S)
    assert loading.is_done
    assert loading.estimator is None
    assert 'cancelled' in loading.error
