"""The node as its own process, over real DDS, with a model whose answers are easily checked."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from conftest import tiny_model
from patience import PATIENCE_S
from sensor_msgs.msg import CompressedImage

from mtscene_ros.models.spec import METADATA_KEY
from mtscene_ros.types import CameraFrame

from .conftest import PER_FRAME, Robot, camera_info, log_of, rgb8, stamp
from .fleet import Fleet

Start = Callable[..., subprocess.Popen[str]]
STAMP_NS = 1_700_000_000_123_456_789


def show(robot: Robot, rgb: np.ndarray, stamp_ns: int = STAMP_NS) -> None:
    """One image of a calibrated camera, and waiting until it is accounted for."""
    seen = len(robot.got['debug/frame_stats'])
    robot.calibrate(camera_info(stamp_ns))
    robot.image.publish(rgb8(rgb, stamp_ns))
    robot.wait(lambda: len(robot.got['debug/frame_stats']) > seen)


def test_every_output_with_the_images_own_header(
    start_node: Start, robot: Robot, frame: CameraFrame
) -> None:
    start_node()
    robot.wait_for_node()
    show(robot, frame.rgb)
    robot.wait(lambda: all(robot.got[topic] for topic in PER_FRAME))
    for topic in PER_FRAME:
        [message] = robot.got[topic]
        header = message.header
        assert header.stamp.sec * 10**9 + header.stamp.nanosec == STAMP_NS, topic
        assert header.frame_id == 'camera_optical_frame', topic


def test_contents(start_node: Start, robot: Robot, frame: CameraFrame) -> None:
    start_node()
    robot.wait_for_node()
    show(robot, frame.rgb)
    robot.wait(lambda: all(robot.got[topic] for topic in PER_FRAME))
    labels, depth = robot.got['semantic/image'][0], robot.got['depth/image'][0]
    assert (labels.encoding, labels.width, labels.height, labels.step) == ('mono8', 64, 32, 64)
    assert (labels.data[0], labels.data[-1]) == (10, 1)
    assert (depth.encoding, depth.step, depth.is_bigendian) == ('32FC1', 256, 0)
    metres = np.frombuffer(depth.data, '<f4').reshape(32, 64)
    assert metres[0, 0] == np.inf
    assert metres[31, 0] == 20
    info = robot.got['depth/camera_info'][0]
    assert (info.width, info.height, info.k[0], info.k[2]) == (64, 32, 64.0, 31.5)
    assert robot.got['semantic/confidence'][0].data[0] == 51


def test_detection_as_an_outside_consumer_reads_it(
    start_node: Start, robot: Robot, frame: CameraFrame
) -> None:
    start_node()
    robot.wait_for_node()
    show(robot, frame.rgb)
    robot.wait(lambda: bool(robot.got['detections_3d']))
    [detection] = robot.got['detections_3d'][0].detections
    best = detection.results[0]
    assert best.hypothesis.class_id == 'car'
    assert best.hypothesis.score == pytest.approx(0.8)
    assert best.pose.pose == detection.bbox.center
    p, size = detection.bbox.center.position, detection.bbox.size
    assert (p.x, p.y, p.z) == pytest.approx((1.25, 3.75, 20.0))
    assert (size.x, size.y, size.z) == pytest.approx((4.0, 2.0, 1.5))


def test_late_joiner_gets_the_class_map(start_node: Start, robot: Robot) -> None:
    start_node()
    robot.wait(lambda: bool(robot.got['semantic/label_info']))
    late = Robot(outputs=('semantic/label_info',))
    late.wait(lambda: bool(late.got['semantic/label_info']))
    class_map = late.got['semantic/label_info'][0].class_map
    assert [(c.class_id, c.class_name) for c in class_map[:2]] == [(0, 'road'), (1, 'sidewalk')]
    assert len(class_map) == 19
    late.node.destroy_node()


def test_compressed_image(start_node: Start, frame: CameraFrame) -> None:
    start_node(image_transport='compressed')
    robot = Robot(CompressedImage)
    robot.wait_for_node()
    png = cv2.imencode('.png', frame.rgb[:, :, ::-1])[1].tobytes()
    message = CompressedImage(format='png', data=png)
    stamp(message, STAMP_NS)
    robot.calibrate(camera_info(STAMP_NS))
    robot.image.publish(message)
    robot.wait(lambda: bool(robot.got['semantic/image']))
    assert robot.got['semantic/image'][0].data[0] == 10
    robot.node.destroy_node()


def test_millimetres(start_node: Start, robot: Robot, frame: CameraFrame) -> None:
    start_node(depth_encoding='16UC1')
    robot.wait_for_node()
    show(robot, frame.rgb)
    robot.wait(lambda: bool(robot.got['depth/image']))
    millimetres = np.frombuffer(robot.got['depth/image'][0].data, '<u2').reshape(32, 64)
    assert millimetres[0, 0] == 0  # beyond range
    assert millimetres[31, 0] == 20000


def test_score_threshold(start_node: Start, robot: Robot, frame: CameraFrame) -> None:
    start_node(min_score=0.9)
    robot.wait_for_node()
    show(robot, frame.rgb)
    robot.wait(lambda: bool(robot.got['detections_3d']))
    assert robot.got['detections_3d'][0].detections == []  # published all the same


def test_nobody_listens(
    start_node: Start, fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    process, fleet = start_node(), fleet_of(('',), topics=())

    def have_ten_been_dropped() -> bool:
        for _ in range(5):
            fleet.show('', frame.rgb, STAMP_NS)
            fleet.pause(0.1)
        return int({v.key: v.value for v in fleet.status_of('camera').values}['dropped']) >= 10

    fleet.wait(have_ten_been_dropped)
    assert log_of(process).count('idle: no subscribers') == 1


@pytest.mark.parametrize(
    ('metadata', 'sentence'),
    [
        (None, 'was not exported by mtscene_ros'),
        ({'format_version': 99}, 'has spec format 99, but this mtscene_ros reads up to 1'),
        ({'name': 'no more'}, 'unreadable metadata'),
    ],
)
def test_foreign_models_are_refused(
    start_node: Start, tmp_path: Path, metadata: dict[str, object] | None, sentence: str
) -> None:
    model = tiny_model()
    del model.metadata_props[:]
    if metadata is not None:
        onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    onnx.save(model, tmp_path / 'foreign.onnx')
    process = start_node(model=tmp_path / 'foreign.onnx')
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert sentence in log


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'model': '/nowhere/m.onnx'}, "'/nowhere/m.onnx' does not exist"),
        ({'depth_encoding': '8UC1'}, "depth_encoding is '8UC1'; it must be one of 32FC1, 16UC1"),
        ({'min_score': 2.0}, 'min_score is 2.0; it must lie in 0 to 1'),
        ({'threads': 'many'}, "threads is 'many'; it must be of type int"),
    ],
)
def test_start_is_refused_in_one_sentence(
    start_node: Start, parameters: dict[str, object], sentence: str
) -> None:
    process = start_node(**parameters)
    log = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert sentence in log
    assert 'Traceback' not in log
