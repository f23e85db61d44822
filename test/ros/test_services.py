"""Swapping models, enabling, diagnostics, and what a person is told about missing input."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import tiny_model
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from mtscene_msgs.srv import SwapModel
from patience import PATIENCE_S
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from vision_msgs.msg import LabelInfo

from mtscene_ros.ros import qos
from mtscene_ros.types import CameraFrame

from .conftest import log_of
from .fleet import Fleet, info_of
from .inside import Inside

Start = Callable[..., subprocess.Popen[str]]
SEC = 10**9
TOPICS = ('semantic/image', 'debug/frame_stats', 'detections_3d')
INFO = info_of('', 64, 32, 64.0)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    made = Fleet(('',), TOPICS)
    yield made
    made.node.destroy_node()


def change(fleet: Fleet, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(fleet.call(ChangeState, 'change_state', request).success)


def state(fleet: Fleet) -> str:
    return str(fleet.call(GetState, 'get_state', GetState.Request()).current_state.label)


def other_model(path: Path) -> Path:
    """The tiny model with labels twice as fine."""
    model = tiny_model()
    for tensor in model.graph.initializer:
        if tensor.name == 'eight':
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(4), 'eight'))
    onnx.save(model, path)
    return path


def test_swap_between_two_frames_loses_none(
    start_node: Start, fleet: Fleet, frame: CameraFrame, tmp_path: Path
) -> None:
    start_node()
    fleet.connect({'': INFO})
    swap, labels = fleet.client(SwapModel, 'swap_model'), fleet.got['', 'semantic/image']
    future = None
    for k in range(200):
        fleet.show('', frame.rgb, (10 + k) * SEC)
        fleet.wait(lambda k=k: len(labels) == k + 1)
        path = str(other_model(tmp_path / 'b.onnx'))
        future = future or swap.call_async(SwapModel.Request(model=path))
        if future.done() and labels[-1].data[0] == 20:
            break
    assert future is not None
    assert future.result().success, future.result().message
    seen = [message.data[0] for message in labels]
    assert seen == sorted(seen)  # 10 with the old model, then 20 with the new one
    assert set(seen) == {10, 20}
    stats = fleet.got['', 'debug/frame_stats']  # earlier images may have been dropped
    fleet.wait(lambda: len(stats) == len(labels))  # they are published last
    first, *_, last = stats
    assert (last.dropped, last.failed) == (first.dropped, first.failed)


def test_a_swap_to_no_model_changes_nothing(
    start_node: Start, fleet: Fleet, frame: CameraFrame, tmp_path: Path
) -> None:
    start_node()
    fleet.connect({'': INFO})
    (tmp_path / 'broken.onnx').write_bytes(b'no model')
    for path, sentence in (('/nowhere.onnx', 'does not exist'), ('broken.onnx', 'is not an ONNX')):
        answer = fleet.call(SwapModel, 'swap_model', SwapModel.Request(model=str(tmp_path / path)))
        assert not answer.success
        assert sentence in answer.message
    fleet.show('', frame.rgb, 10 * SEC)
    fleet.wait(lambda: bool(fleet.got['', 'semantic/image']))


def test_disabled_drops_and_enabled_goes_on(
    inside_of: Callable[..., Inside], fleet: Fleet, frame: CameraFrame
) -> None:
    inside = inside_of()
    inside.connect(fleet, {'': INFO})
    inside.stop_clock()  # the camera is not silent, however long the diagnostics take
    stats, labels = fleet.got['', 'debug/frame_stats'], fleet.got['', 'semantic/image']
    assert fleet.call(SetBool, 'enable', SetBool.Request(data=False)).message == 'disabled'
    for k in range(3):
        inside.show(fleet, '', frame.rgb, (10 + k) * SEC)
    assert not labels
    assert fleet.status_of('camera').message == 'idle: disabled'
    fleet.call(SetBool, 'enable', SetBool.Request(data=True))
    inside.show(fleet, '', frame.rgb, 20 * SEC)
    fleet.wait(lambda: bool(stats and labels))
    assert stats[-1].dropped == 3


def test_a_model_that_cannot_be_opened_leads_back_to_unconfigured(
    start_node: Start, fleet: Fleet, tmp_path: Path
) -> None:
    """Its metadata are fine, so configure goes through; the runtime refuses it afterwards."""
    model = tiny_model()
    model.graph.node[0].op_type = 'Nonsense'
    onnx.save(model, tmp_path / 'm.onnx')
    process = start_node(model=tmp_path / 'm.onnx', autostart=False, backend='onnxruntime')
    assert change(fleet, Transition.TRANSITION_CONFIGURE)
    assert change(fleet, Transition.TRANSITION_ACTIVATE) or state(fleet) == 'unconfigured'
    fleet.wait(lambda: state(fleet) == 'unconfigured')
    status = fleet.status_of('model')
    assert status.level == b'\2'
    assert 'is not an ONNX model that ONNX Runtime' in status.message
    assert 'is not an ONNX model that ONNX Runtime' in log_of(process)


def told_while_running(fleet: Fleet, frame: CameraFrame) -> tuple[Any, Any]:
    """Shows images until diagnostics have seen them → their entries of model and camera."""
    labels = fleet.got['', 'semantic/image']
    for k in range(1000):
        fleet.show('', frame.rgb, (10 + k) * SEC)
        fleet.wait(lambda k=k: len(labels) == k + 1)
        for array in fleet.diagnostics:
            found = {status.name.split(': ')[1]: status for status in array.status}
            if k >= 5 and found['camera'].message == 'running':
                return found['model'], found['camera']
        fleet.diagnostics.clear()
    raise AssertionError('it never runs')


def test_diagnostics_tell_what_runs_and_how_long_it_takes(
    start_node: Start, fleet: Fleet, frame: CameraFrame
) -> None:
    start_node(backend='onnxruntime')
    fleet.connect({'': INFO})
    model, camera = told_while_running(fleet, frame)
    values = {v.key: v.value for v in model.values}
    assert (model.level, values['precision']) == (b'\0', 'fp32')
    assert values['backend'].startswith('ONNX Runtime')
    assert 20 < float(values['resident memory'].split()[0]) < 2000
    values = {v.key: v.value for v in camera.values}
    assert (camera.level, camera.message) == (b'\0', 'running')
    assert {'received, Hz', 'published, Hz'} <= values.keys()
    settled = int(values['published']) + int(values['dropped'])
    # One may be in work, its labels out already, and the next one waiting.
    assert 0 <= int(values['received']) - settled <= 2
    for stage in ('receive', 'image', 'prepare', 'infer', 'decode', 'serialise', 'publish', 'age'):
        p50, p95, p99 = map(float, values[f'{stage} p50/p95/p99, ms'].split(' / '))
        assert 0 <= p50 <= p95 <= p99


def test_class_maps_are_repeated_for_recordings_that_begin_late(
    start_node: Start, fleet: Fleet
) -> None:
    start_node()
    topic, got = '/perception/semantic/label_info', []
    fleet.wait(lambda: bool(fleet.node.count_publishers(topic)))
    fleet.node.create_subscription(LabelInfo, topic, got.append, 1)  # volatile: no latched one
    fleet.wait(lambda: len(got) >= 3)
    assert [len(m.class_map) for m in got[:3]] == [19] * 3


def test_class_ids_may_be_numbers(
    inside_of: Callable[..., Inside], fleet: Fleet, frame: CameraFrame
) -> None:
    inside = inside_of(class_id_format='id')
    inside.connect(fleet, {'': INFO})
    inside.show(fleet, '', frame.rgb, 10 * SEC)
    fleet.wait(lambda: bool(fleet.got['', 'detections_3d']))
    [detection] = fleet.got['', 'detections_3d'][0].detections
    assert detection.results[0].hypothesis.class_id == '0'  # car


def test_missing_input_is_told_with_what_is_near(start_node: Start, fleet: Fleet) -> None:
    start_node()
    elsewhere = fleet.node.create_publisher(Image, '/other/image_raw', 1)
    fleet.node.destroy_publisher(fleet.images[''])
    fleet.wait(lambda: 'no image' in fleet.status_of('camera').message)
    status = fleet.status_of('camera')
    assert status.level == b'\1'
    assert 'no image on /camera/image_raw; ' in status.message
    assert '/other/image_raw has one publisher' in status.message
    assert elsewhere is not None


def test_input_that_does_not_fit_is_explained_with_the_line(
    start_node: Start, fleet: Fleet, tmp_path: Path, frame: CameraFrame
) -> None:
    """The node is told to ask for reliable images, and the camera sends best effort."""
    fleet.node.destroy_publisher(fleet.images[''])
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    fleet.images[''] = fleet.node.create_publisher(Image, '/camera/image_raw', best_effort)
    name = 'qos_overrides./camera/image_raw.subscription.reliability'
    process = start_node(**{name: 'reliable'})
    fleet.wait(lambda: fleet.status_of('quality of service').level == b'\1')
    status, line = fleet.status_of('quality of service'), f'{name}: best_effort'
    assert f"put '{line}' into the parameter file" in status.message
    assert status.message in log_of(process)
    (tmp_path / 'p.yaml').write_text(f'/**:\n  ros__parameters:\n    {line}\n')
    start_node(params_file=tmp_path / 'p.yaml')  # and with that line it works
    fleet.connect({'': INFO})
    fleet.show('', frame.rgb, 10 * SEC)
    fleet.wait(lambda: bool(fleet.got['', 'semantic/image']))


def test_output_that_does_not_fit_is_explained_with_the_line(
    start_node: Start, fleet: Fleet
) -> None:
    """A map layer that wants latched masks, as nav2's costmaps do for maps."""
    latched = fleet.node.create_subscription(
        Image, '/perception/semantic/image', lambda _: None, qos.outputs(latched=True)
    )
    process = start_node()
    line = 'qos_overrides./perception/semantic/image.publisher.durability: transient_local'
    fleet.wait(lambda: f"put '{line}' into" in fleet.status_of('quality of service').message)
    fleet.node.destroy_subscription(latched)
    fleet.wait(lambda: fleet.status_of('quality of service').level == b'\0')
    assert line in log_of(process)


def test_an_override_is_of_its_topic_alone(start_node: Start, fleet: Fleet) -> None:
    name = 'qos_overrides./perception/detections_3d.publisher.reliability'
    start_node(**{name: 'best_effort'})
    reliability = {}
    for topic in TOPICS:
        full = f'/perception/{topic}'
        fleet.wait(lambda full=full: bool(fleet.node.get_publishers_info_by_topic(full)))
        [publisher] = fleet.node.get_publishers_info_by_topic(full)
        reliability[topic] = publisher.qos_profile.reliability.name
    assert reliability == dict.fromkeys(TOPICS, 'RELIABLE') | {'detections_3d': 'BEST_EFFORT'}


def test_unknown_keys_of_the_parameter_file_are_told(start_node: Start, tmp_path: Path) -> None:
    lines = ('min_scor: 0.5', 'qos_overrides./camera/imag.subscription.depth: 5')
    text = ''.join(f'    {line}\n' for line in lines)
    (tmp_path / 'p.yaml').write_text(f'/**:\n  ros__parameters:\n{text}')
    process = start_node(params_file=tmp_path / 'p.yaml')
    assert process.stderr is not None
    log = ''
    while 'Listening to' not in log:
        log += process.stderr.readline()
    assert 'Parameter min_scor is unknown and has no effect; did you mean min_score?' in log
    assert 'did you mean qos_overrides./camera/image_raw.subscription.depth?' in log


def test_a_nonsensical_override_is_one_sentence(start_node: Start) -> None:
    name = 'qos_overrides./camera/image_raw.subscription.reliability'
    process = start_node(**{name: 'mostly'})
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert '/camera/image_raw cannot be created, check qos_overrides./camera/image_raw' in log
    assert 'Traceback' not in log


def test_tracking_without_tf_is_in_the_camera_frame(
    start_node: Start, fleet: Fleet, frame: CameraFrame
) -> None:
    """tracking.frame is odom by default; a machine without tf2_ros tracks all the same."""
    process = start_node(**{'tracking.enabled': True})
    fleet.connect({'': INFO})
    for k in range(4):
        fleet.show('', frame.rgb, (10 + k) * SEC // 10)
        fleet.wait(lambda k=k: len(fleet.got['', 'detections_3d']) == k + 1)
    assert [m.detections[0].id for m in fleet.got['', 'detections_3d']] == ['', '1', '1', '1']
    has_tf = importlib.util.find_spec('tf2_ros') is not None
    assert has_tf or 'Objects are tracked in the camera frame instead' in log_of(process)


def test_target_frame_without_tf2_is_refused_in_one_sentence(start_node: Start) -> None:
    pytest.importorskip('rclpy')
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        process = start_node(target_frame='base_link')
        log = process.communicate(timeout=PATIENCE_S)[1]
        assert process.returncode == 1
        assert 'target_frame needs tf2_ros' in log
    else:
        pytest.skip('tf2_ros is installed')
