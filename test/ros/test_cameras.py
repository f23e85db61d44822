"""Every output on one, two and six cameras: type, encoding, size, header, only while listened."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from vision_msgs.msg import LabelInfo

from mtscene_ros.types import CameraFrame

from .fleet import PER_FRAME, TYPES, Fleet, info_of

Start = Callable[..., subprocess.Popen[str]]
SIX = ('front', 'front_left', 'front_right', 'back', 'back_left', 'back_right')
SEC = 10**9
# topic → encoding and bytes per pixel.
IMAGES = {
    'semantic/image': ('mono8', 1),
    'semantic/confidence': ('mono8', 1),
    'semantic/color': ('rgb8', 3),
    'parts/image': ('mono8', 1),
    'depth/image': ('32FC1', 4),
    'normals/image': ('32FC3', 12),
    'boundary/image': ('mono8', 1),
    'saliency/image': ('mono8', 1),
    'own/wetness/image': ('32FC1', 4),
    'own/walkable/image': ('mono8', 1),
    'debug/overlay': ('rgb8', 3),
}


def named(cameras: tuple[str, ...]) -> str:
    return '[' + ', '.join(f"'{c}'" for c in cameras) + ']'


def header_of(message: Any) -> tuple[int, str]:
    header = message.markers[-1].header if hasattr(message, 'markers') else message.header
    return header.stamp.sec * SEC + header.stamp.nanosec, header.frame_id


@pytest.mark.parametrize('cameras', [('',), ('front', 'left'), SIX])
def test_every_output_of_every_camera(
    start_node: Start,
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    cameras: tuple[str, ...],
    dense_path: str,
) -> None:
    start_node(cameras=named(cameras), model=dense_path)
    fleet = fleet_of(cameras)
    fleet.connect({c: info_of(c, 64, 32, 64.0) for c in cameras})
    for k, camera in enumerate(cameras):
        fleet.show(camera, frame.rgb, (100 + k) * SEC + 123_456_789)
    fleet.wait(lambda: all(fleet.got[c, t] for c in cameras for t in PER_FRAME))
    for k, camera in enumerate(cameras):
        for topic in PER_FRAME:
            [message] = fleet.got[camera, topic]
            expected = (100 + k) * SEC + 123_456_789, f'{camera}_optical'
            assert header_of(message) == expected, (camera, topic)
        check_images(fleet, camera, 64, 32)
        check_quality_of_service(fleet, camera)
        check_contents(fleet, camera)


def check_images(fleet: Fleet, camera: str, width: int, height: int) -> None:
    """Encoding, size and packing of every image; the cloud has its size as well."""
    for topic, (encoding, size) in IMAGES.items():
        image = fleet.got[camera, topic][-1]
        seen = (image.encoding, image.width, image.height, image.step, image.is_bigendian)
        assert seen == (encoding, width, height, width * size, 0), topic
        assert len(image.data) == width * height * size
    cloud = fleet.got[camera, 'points'][-1]
    assert (cloud.width, cloud.height, cloud.row_step) == (width, height, 20 * width)
    assert len(cloud.data) == 20 * width * height


def check_quality_of_service(fleet: Fleet, camera: str) -> None:
    """Reliable; class maps also for those who come later."""
    for topic, kind in TYPES.items():
        name = f'/perception/{camera}/{topic}' if camera else f'/perception/{topic}'
        [publisher] = fleet.node.get_publishers_info_by_topic(name)
        quality = publisher.qos_profile
        expected = 'TRANSIENT_LOCAL' if kind is LabelInfo else 'VOLATILE'
        assert (quality.reliability.name, quality.durability.name) == ('RELIABLE', expected), topic
        assert publisher.topic_type == f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'


def check_contents(fleet: Fleet, camera: str) -> None:
    """Of the `frame` fixture: label 10 and no depth above, label 1 at 20 m below, one car."""
    [points] = fleet.got[camera, 'points']
    assert (points.point_step, points.is_dense) == (20, False)
    assert [f.name for f in points.fields] == ['x', 'y', 'z', 'rgb', 'label', 'confidence']
    [scene] = fleet.got[camera, 'scene']
    [labels] = fleet.got[camera, 'semantic/image']
    assert scene.camera == camera
    assert scene.semantic.data == labels.data
    assert list(scene.camera_info.k) == list(fleet.got[camera, 'depth/camera_info'][0].k)
    [boxes] = fleet.got[camera, 'detections_3d']
    [car] = boxes.detections
    assert car.results[0].hypothesis.class_id == 'car'
    assert scene.detections_3d.detections[0].bbox == car.bbox
    [rectangles] = fleet.got[camera, 'detections_2d']
    rectangle = rectangles.detections[0].bbox
    # Seen from the side: 4 m wide, front 19 m away, back 21 m; y from 3.0 to 4.5 m.
    assert rectangle.size_x == pytest.approx(64 * 4 / 19, rel=0.1)
    assert rectangle.size_y == pytest.approx(64 * (4.5 / 19 - 3.0 / 21), rel=0.05)
    assert len(fleet.got[camera, 'debug/markers'][0].markers) == 3
    assert scene.depth.data == fleet.got[camera, 'depth/image'][0].data
    assert scene.normals.step == 12 * 64


def test_nav2_s_semantic_layer_can_use_mask_confidence_names_and_cloud(
    start_node: Start, fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    """Mono8 mask and confidence, LabelInfo, organised cloud (docs/conventions.md, section 5)."""
    topics = ('semantic/image', 'semantic/confidence', 'semantic/label_info', 'points')
    start_node()
    fleet = fleet_of(('',), topics=(*topics, 'debug/frame_stats'))
    fleet.connect({'': info_of('', 64, 32, 64.0)})
    fleet.show('', frame.rgb, 5 * SEC)
    fleet.wait(lambda: all(fleet.got['', t] for t in topics))
    mask, confidence, cloud = (fleet.got['', t][-1] for t in (*topics[:2], 'points'))
    names = {c.class_id: c.class_name for c in fleet.got['', 'semantic/label_info'][-1].class_map}
    assert (cloud.height, cloud.width) == (mask.height, mask.width)
    fields = {f.name: f.offset for f in cloud.fields}
    raw = np.frombuffer(cloud.data, np.uint8).reshape(32, 64, cloud.point_step)
    x, y, z = (raw[..., fields[n] : fields[n] + 4].copy().view('<f4')[..., 0] for n in 'xyz')
    labels = np.frombuffer(mask.data, np.uint8).reshape(32, 64)
    np.testing.assert_array_equal(raw[..., fields['label']], labels)
    sure = np.frombuffer(confidence.data, np.uint8).reshape(32, 64) > 50
    there = sure & (labels == 1) & np.isfinite(z)
    assert (names[1], there[20, 10]) == ('sidewalk', True)
    # Pixel (10, 20): x = (10 - 31.5) / 64 * 20 m, y = (20 - 15.5) / 64 * 20 m.
    np.testing.assert_allclose([x[20, 10], y[20, 10], z[20, 10]], [-6.71875, 1.40625, 20.0])
    assert np.isnan(z[0, 0])  # sky


def test_a_camera_that_stops_and_returns_does_not_disturb_the_others(
    start_node: Start, fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    start_node(cameras="['front', 'left']")
    fleet = fleet_of(('front', 'left'), topics=('semantic/image', 'debug/frame_stats'))
    fleet.connect({c: info_of(c, 64, 32, 64.0) for c in ('front', 'left')})
    front, left = (fleet.got[c, 'semantic/image'] for c in ('front', 'left'))
    for k in range(10):  # left stops after five and comes back for the last
        fleet.show('front', frame.rgb, (10 + k) * SEC)
        if k < 5 or k == 9:
            fleet.show('left', frame.rgb, (10 + k) * SEC)
        fleet.wait(lambda k=k: len(front) == k + 1 and len(left) == min(k + 1, 5) + (k == 9))
    fleet.wait(lambda: fleet.got['left', 'debug/frame_stats'][-1].published >= 6)
    for camera in ('front', 'left'):
        stats = fleet.got[camera, 'debug/frame_stats'][-1]
        assert stats.received == stats.published
        assert (stats.dropped, stats.failed) == (0, 0)


def test_half_size_with_a_camera_info_that_fits(
    start_node: Start, fleet_of: Callable[..., Fleet], frame: CameraFrame, dense_path: str
) -> None:
    start_node(output_scale=0.5, model=dense_path)
    fleet = fleet_of(('',))
    fleet.connect({'': info_of('', 64, 32, 64.0)})
    fleet.show('', frame.rgb, 5 * SEC)
    fleet.wait(lambda: all(fleet.got['', t] for t in PER_FRAME))
    check_images(fleet, '', 32, 16)
    info = fleet.got['', 'depth/camera_info'][0]
    # (31.5 + 0.5) / 2 - 0.5 = 15.5
    assert (info.width, info.k[0], info.k[2], info.k[5]) == (32, 32.0, 15.5, 7.5)
    assert fleet.got['', 'detections_3d'][0].detections[0].bbox.center.position.z == 20.0
