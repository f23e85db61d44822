from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.convert import convert
from rosbags.typesys import Stores, get_typestore

from mtscene_ros.cli.demo_run import convert_ros1
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag
from mtscene_ros.recordings.camera_choice import choose_camera
from mtscene_ros.terminal import live_text
from mtscene_ros.types import Intrinsics

IMAGE = 'sensor_msgs/msg/Image'


def write(path: Path, *images: tuple[str, str], info: str = '') -> None:
    """images: (topic, encoding), a 4x4 image each at 1 s and 3 s; info: topic of a camera_info."""
    with BagWriter(path) as bag:
        make = Messages(bag.types)
        for stamp_ns in (10**9, 3 * 10**9):
            header = make.header(stamp_ns, 'camera')
            for topic, encoding in images:
                pixels = np.zeros((4, 4, 3 if encoding == 'rgb8' else 1), np.uint8)
                bag.write(topic, IMAGE, stamp_ns, make.image(pixels, encoding, header))
            if info:
                camera: Any = make.camera_info(Intrinsics(4, 4, 4, 4, 1.5, 1.5), header)
                bag.write(info, 'sensor_msgs/msg/CameraInfo', stamp_ns, camera)


def test_a_calibrated_color_camera_is_preferred(tmp_path: Path) -> None:
    images = (('/a/image', 'rgb8'), ('/b/image', 'rgb8'), ('/b/depth', '16UC1'))
    write(tmp_path / 'x.mcap', *images, ('/truth/semantic', 'mono8'), info='/b/camera_info')
    camera = choose_camera(tmp_path / 'x.mcap')
    assert (camera.topic, camera.compressed, camera.calibrated) == ('/b/image', False, True)
    assert camera.others == ('/a/image',)
    assert camera.duration_s == pytest.approx(2.0, abs=1e-6)


def test_a_bag_without_cameras_is_refused_by_naming_what_it_has(tmp_path: Path) -> None:
    write(tmp_path / 'x.mcap', ('/depth/image', '32FC1'), info='/depth/camera_info')
    with pytest.raises(BagError, match=r'no camera images.*/depth/image \(sensor_msgs'):
        choose_camera(tmp_path / 'x.mcap')


def test_live_line() -> None:
    arrived_s = [0.0, 9.0, 9.5, 10.0]  # the last two seconds: 2 intervals in 1 s
    counts = {'received': 6, 'published': 4, 'dropped': 2, 'failed': 0}
    text = live_text(arrived_s, [0.010, 0.020, 0.030, 0.040], counts)
    assert text.split()[:4] == ['4', 'frames', '2.0', 'Hz']
    assert text.endswith('latency p50 25  p95 38  p99 40 ms  dropped 2  failed 0')
    nothing = live_text([], [], dict.fromkeys(counts, 0))
    assert nothing.split()[:4] == ['0', 'frames', '0.0', 'Hz']


def test_a_ros1_bag_becomes_one_that_can_be_played(tmp_path: Path) -> None:
    write(tmp_path / 'x.mcap', ('/a/image', 'rgb8'), ('/b/image', 'rgb8'), info='/a/camera_info')
    convert(
        [tmp_path / 'x.mcap'], tmp_path / 'x.bag', '', 0, None, '', None,
        get_typestore(Stores.ROS1_NOETIC), [], [], [], [],
    )  # fmt: skip
    camera = choose_camera(tmp_path / 'x.bag')
    assert (camera.topic, camera.ros1) == ('/a/image', True)
    convert_ros1(tmp_path / 'x.bag', tmp_path / 'y', ('/a/image', '/a/camera_info'))
    with open_bag(tmp_path / 'y') as bag:
        assert bag.is2
        assert {t: i.msgcount for t, i in bag.topics.items()} == {
            '/a/image': 2,
            '/a/camera_info': 2,
        }
