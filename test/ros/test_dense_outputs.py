"""Human parts, saliency, normals and boundary of a model that has them, over real DDS."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.models.spec import METADATA_KEY
from mtscene_ros.types import CameraFrame

from .conftest import TYPES, Robot, camera_info, rgb8

Start = Callable[..., subprocess.Popen[str]]
DENSE = {
    'normals/image': Image,
    'boundary/image': Image,
    'saliency/image': Image,
    'parts/image': Image,
    'parts/label_info': LabelInfo,
    'own/wetness/image': Image,
    'own/walkable/image': Image,
    'own/walkable/label_info': LabelInfo,
}


def test_overlay_of_a_model_without_boxes(
    start_node: Start, dense_path: str, frame: CameraFrame, tmp_path: Path
) -> None:
    model = onnx.load(dense_path)
    spec = json.loads(model.metadata_props[0].value)
    del spec['tasks']['boxes3d']
    helper.set_model_props(model, {METADATA_KEY: json.dumps(spec)})
    onnx.save(model, tmp_path / 'm.onnx')
    robot = Robot(outputs=('debug/frame_stats', 'debug/overlay'))
    start_node(model=tmp_path / 'm.onnx')
    robot.wait_for_node()
    robot.image.publish(rgb8(frame.rgb, 5))
    robot.wait(lambda: bool(robot.got['debug/overlay']))
    assert robot.got['debug/overlay'][0].encoding == 'rgb8'
    robot.node.destroy_node()


def pixels(message: Image, dtype: str, channels: int = 1) -> np.ndarray:
    assert message.step == 64 * channels * np.dtype(dtype).itemsize
    return np.frombuffer(message.data, dtype).reshape(32, 64, channels)


def test_dense_outputs(
    start_node: Start, dense_path: str, frame: CameraFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for topic, kind in DENSE.items():
        monkeypatch.setitem(TYPES, topic, kind)
    robot = Robot(outputs=('debug/frame_stats', *DENSE))
    start_node(model=dense_path)
    robot.wait_for_node()
    robot.calibrate(camera_info(5))
    robot.image.publish(rgb8(frame.rgb, 5))
    robot.wait(lambda: all(robot.got[topic] for topic in DENSE))
    normals, boundary, saliency, parts, info, wet, walkable, own = (
        robot.got[topic][0] for topic in DENSE
    )
    down = np.array([80, 51, -255]) / np.linalg.norm([80, 51, 255])
    np.testing.assert_allclose(pixels(normals, '<f4', 3)[0, 0], down, atol=1e-6)
    assert (normals.encoding, boundary.encoding, parts.encoding) == ('32FC3', 'mono8', 'mono8')
    corners = [pixels(m, 'u1')[[0, -1], 0, 0].tolist() for m in (boundary, saliency, parts)]
    assert corners == [[80, 8], [255, 40], [10, 1]]
    assert [c.class_name for c in info.class_map] == [c.name for c in DRIVE_BOXES]
    assert own.class_map == info.class_map
    np.testing.assert_array_equal(walkable.data, parts.data)
    assert wet.encoding == '32FC1'
    assert pixels(wet, '<f4')[0, 0, 0] == pytest.approx(80 / 255)
    robot.node.destroy_node()
