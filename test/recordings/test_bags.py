from pathlib import Path

import numpy as np
import pytest

from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag, typestore
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence

# ROS 2 Jazzy's own hashes of vision_msgs 4.1.
JAZZY_HASHES = {
    'Detection3DArray': '793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
    'Detection3D': 'ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b',
    'Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
}


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three generated frames."""
    path = tmp_path_factory.mktemp('drive') / 'drive.mcap'
    frames = map(moment_from_world, drive_sequence(4, 3, 10.0, 128, 64))
    assert write_recording(path, frames) == 3
    return path


def test_generated_drive_comes_back(drive: Path) -> None:
    frames = list(drive_sequence(4, 3, 10.0, 128, 64))
    with open_bag(drive) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
        images = [
            reader.deserialize(raw, c.msgtype)
            for c, _, raw in reader.messages()
            if c.topic == '/camera/image_raw'
        ]
    assert counts['/camera/image_raw'] == counts['/truth/depth'] == counts['/tf'] == 3
    assert counts['/tf_static'] == counts['/truth/label_info'] == 1
    for frame, image in zip(frames, images, strict=True):
        assert (image.data == frame.rgb.ravel()).all()
        assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == frame.stamp_ns


def test_camera_info_precedes_its_image(drive: Path) -> None:
    with open_bag(drive) as reader:
        topics = [c.topic for c, *_ in reader.messages() if c.topic.startswith('/camera')]
    assert topics == ['/camera/camera_info', '/camera/image_raw'] * 3


@pytest.mark.parametrize('name', JAZZY_HASHES)
def test_type_hashes_are_jazzys(name: str) -> None:
    assert typestore().hash_rihs01(f'vision_msgs/msg/{name}') == f'RIHS01_{JAZZY_HASHES[name]}'


def test_rosbag2_folder(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        header = Messages(writer.types).header(5, 'map')
        writer.write('/h', 'std_msgs/msg/Header', 5, header)
    assert (tmp_path / 'bag' / 'metadata.yaml').is_file()
    with open_bag(tmp_path / 'bag') as reader:
        [(connection, stamp_ns, _)] = reader.messages()
    assert (connection.topic, stamp_ns) == ('/h', 5)


def test_failed_writing_leaves_the_old_recording(tmp_path: Path) -> None:
    path = tmp_path / 'bag.mcap'
    path.write_text('old')
    with pytest.raises(ZeroDivisionError), BagWriter(path):
        raise ZeroDivisionError
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('content', [b'', b'garbage', b'\x89MCAP0\r\n' + bytes(50)])
def test_damaged_recordings_get_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'bag.mcap'
    path.write_bytes(content)
    with pytest.raises(BagError, match='cannot be read'), open_bag(path):
        pass
    with pytest.raises(BagError, match='does not exist'), open_bag(tmp_path / 'no.mcap'):
        pass


def test_points_are_packed() -> None:
    cloud = Messages(typestore()).point_cloud(np.arange(8, dtype=np.float32).reshape(2, 4), None)
    assert (cloud.width, cloud.point_step, cloud.row_step) == (2, 16, 32)
    assert np.frombuffer(cloud.data, np.float32).tolist() == list(range(8))
