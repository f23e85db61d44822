"""Recordings as they happen to be: one sentence each, and what can be scored is scored."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from evaluate.bags import CAMERA, IMAGE, INFO, camera, image, options, recorded, truth
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag, typestore

Found = dict
Evaluate = Callable[..., Found]
STORE, BYTES = CompressionFormat.ZSTD, 10**9


@pytest.fixture
def evaluate(tiny_path: str, tmp_path: Path) -> Evaluate:
    return lambda bag, **changes: evaluate_bag(bag, options(tiny_path, **changes), tmp_path / 'r')


def copied(source: Path, out: Path, plugin: StoragePlugin, mode: CompressionMode | None) -> Path:
    """The same messages in a rosbag2 folder."""
    writer, types, connections = Writer(out, version=9, storage_plugin=plugin), typestore(), {}
    if mode:
        writer.set_compression(mode, STORE)
    with writer, open_bag(source) as bag:
        for c, stamp_ns, raw in bag.messages():
            if c.topic not in connections:
                added = writer.add_connection(c.topic, c.msgtype, typestore=types)
                connections[c.topic] = added
            writer.write(connections[c.topic], stamp_ns, raw)
    return out


def cut(path: Path, share: float = 0.7) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def as_ros1(source: Path, out: Path) -> Path:
    """With ROS 1's types (a header has seq; camera_info D, K, R, P); LabelInfo is left out."""
    types, connections = get_typestore(Stores.ROS1_NOETIC), {}
    with Ros1Writer(out) as writer, open_bag(source) as bag:
        for c, stamp_ns, raw in bag.messages():
            if c.msgtype not in FIELDS:
                continue
            if c.topic not in connections:
                connections[c.topic] = writer.add_connection(c.topic, c.msgtype, typestore=types)
            message = bag.deserialize(raw, c.msgtype)
            header = types.types['std_msgs/msg/Header'](0, message.header.stamp, 'optical')
            fields = (getattr(message, name) for name in FIELDS[c.msgtype])
            made = types.types[c.msgtype](header, *fields)
            writer.write(connections[c.topic], stamp_ns, types.serialize_ros1(made, c.msgtype))
    return out


STILL = (
    'The recording has no TF for the motion of the camera, so flicker is not scored; '
    'record /tf and /tf_static.'
)


def printed(found: Found) -> list[str]:
    """All but what holds for every recording here."""
    return [note for note in found['notes'] if note != STILL]


FIELDS = {
    IMAGE: ('height', 'width', 'encoding', 'is_bigendian', 'step', 'data'),
    INFO: ('height', 'width', 'distortion_model', *'dkrp', 'binning_x', 'binning_y', 'roi'),
}


@pytest.mark.parametrize('plugin', list(StoragePlugin))
@pytest.mark.parametrize('mode', [None, *list(CompressionMode)[1:]])
def test_storages_and_compressions(
    evaluate: Evaluate, tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode | None
) -> None:
    if plugin == StoragePlugin.SQLITE3 and mode == CompressionMode.STORAGE:
        pytest.skip('SQLite has no compression of its own')
    bag = copied(recorded(tmp_path / 'a.mcap', frames=2), tmp_path / 'b', plugin, mode)
    found = evaluate(bag)
    assert (found['metrics']['semantic']['accuracy'], printed(found)) == (50, [])


def test_split_recording(evaluate: Evaluate, tmp_path: Path) -> None:
    """Two files of one folder, as rosbag2 splits by size or time."""
    bag = copied(recorded(tmp_path / 'a.mcap', frames=2), tmp_path / 'b', StoragePlugin.MCAP, None)
    late = partial(recorded, start=2)
    late(tmp_path / 'later.mcap', frames=2).rename(bag / 'later.mcap')
    metadata = (bag / 'metadata.yaml').read_text()
    assert '  - b.mcap\n' in metadata
    both = metadata.replace('  - b.mcap\n', '  - b.mcap\n  - later.mcap\n', 1)
    (bag / 'metadata.yaml').write_text(both)
    found = evaluate(bag)
    assert found['counts']['with_truth'] == {'semantic': 4, 'depth': 4}


def test_ros1(evaluate: Evaluate, tmp_path: Path) -> None:
    found = evaluate(as_ros1(recorded(tmp_path / 'a.mcap'), tmp_path / 'a.bag'))
    assert found['metrics']['semantic']['accuracy'] == 50
    assert found['metrics']['depth']['abs_rel'] == pytest.approx(0.2)
    assert printed(found) == [
        '/truth/semantic has no LabelInfo, so its ids are read as those of the model.'
    ]


@pytest.mark.parametrize('kind', ['mcap', 'sqlite', 'ros1', 'no metadata'])
def test_cut_off(evaluate: Evaluate, tmp_path: Path, kind: str) -> None:
    """The recorder died; frames of 2 MB, so that several chunks are whole."""
    source = recorded(tmp_path / 'a.mcap', camera, truth, filler, frames=4)
    if kind == 'mcap':
        bag = cut(source)
    elif kind == 'ros1':
        bag = cut(as_ros1(source, tmp_path / 'a.bag'))
    else:
        plugin = StoragePlugin.SQLITE3 if kind == 'sqlite' else StoragePlugin.MCAP
        bag = copied(source, tmp_path / 'b', plugin, None)
        cut(bag / 'b.db3') if kind == 'sqlite' else (bag / 'metadata.yaml').unlink()
    found = evaluate(bag)
    assert 1 < found['counts']['published'] < 4 or kind == 'no metadata'
    assert found['metrics']['semantic']['accuracy'] == 50
    assert found['notes'][0] == (
        f'{bag.name} is damaged or was cut off; the part that can be read is used.'
    )
    assert not list((tmp_path / 'r').glob('.*'))  # the copy is gone


def filler(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """A large message that nobody reads."""
    import numpy as np

    noise = np.random.default_rng(index).integers(0, 256, (1000, 2000), np.uint8)
    header = make.header(stamp_ns, 'other')
    writer.write('/truth/other', IMAGE, stamp_ns, make.image(noise, 'mono8', header))


def test_no_camera_info(evaluate: Evaluate, tmp_path: Path) -> None:
    def uncalibrated(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        header = make.header(stamp_ns, 'camera_optical_frame')
        message = make.image(image(index), 'rgb8', header)
        writer.write('/camera/image_raw', IMAGE, stamp_ns, message)

    found = evaluate(recorded(tmp_path / 'a.mcap', uncalibrated, truth))
    assert found['counts']['with_truth'] == {'semantic': 4}
    assert printed(found) == [
        'There is no camera_info on /camera/camera_info, so depth and boxes are not computed; '
        'record it, or name it with --camera-info.'
    ]


def test_two_image_topics(evaluate: Evaluate, tmp_path: Path) -> None:
    def rear(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        header = make.header(stamp_ns, 'rear_optical_frame')
        writer.write('/rear/image_raw', IMAGE, stamp_ns, make.image(image(9), 'rgb8', header))

    bag = recorded(tmp_path / 'a.mcap', camera, truth, rear)
    assert printed(evaluate(bag)) == [
        'The camera is /camera/image_raw. Other image topics: /rear/image_raw (without '
        'camera_info); --image TOPIC chooses another.'
    ]
    with pytest.raises(BagError, match='/rear/imag is not in the recording; it has /camera'):
        evaluate(bag, image_topic='/rear/imag')


def test_another_clock(evaluate: Evaluate, tmp_path: Path) -> None:
    found = evaluate(recorded(tmp_path / 'a.mcap', shift_ns=-37 * BYTES))
    assert found['counts']['with_truth'] == {}
    assert printed(found)[-1] == (
        'No message of /truth/semantic has the stamp of an image (the nearest is 36.7 s away), '
        'so its truth is not scored; give each message the stamp of its image.'
    )


def test_unknown_type(evaluate: Evaluate, tmp_path: Path) -> None:
    """A database without definitions, as Humble writes them."""
    source, types = recorded(tmp_path / 'a.mcap'), typestore()
    types.register(get_types_from_msg('int32 value', 'odd_msgs/msg/Odd'))
    with Writer(tmp_path / 'b', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        odd = writer.add_connection('/odd', 'odd_msgs/msg/Odd', typestore=types)
        writer.write(odd, 1_700_000_000 * BYTES, b'\0\1\0\0\7\0\0\0')
        with open_bag(source) as bag:
            known = {c.topic: c for c in bag.connections}
            add = partial(writer.add_connection, typestore=types)
            ours = {t: add(t, c.msgtype) for t, c in known.items()}
            for c, stamp_ns, raw in bag.messages():
                writer.write(ours[c.topic], stamp_ns, raw)
    data = sqlite3.connect(tmp_path / 'b' / 'b.db3')
    data.execute('DELETE FROM message_definitions')
    data.commit()
    data.close()
    found = evaluate(tmp_path / 'b')
    assert found['metrics']['semantic']['accuracy'] == 50
    assert printed(found) == [
        '1 topic of b is left out: /odd (its type odd_msgs/msg/Odd is unknown here and the '
        'recording lacks it).'
    ]


def test_damaged_image(evaluate: Evaluate, tmp_path: Path) -> None:
    def short(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        header = make.header(stamp_ns, 'camera_optical_frame')
        info = make.camera_info(CAMERA, header)
        writer.write('/camera/camera_info', INFO, stamp_ns, info)
        message = make.image(image(index), 'rgb8', header)
        message.data = message.data[: None if index else 9]
        writer.write('/camera/image_raw', IMAGE, stamp_ns, message)

    found = evaluate(recorded(tmp_path / 'a.mcap', short, truth))
    assert (found['counts']['published'], found['counts']['failed']) == (3, 1)
    assert found['notes'][0].startswith('Image data has 9 bytes, but 32 rows of step 192 need')


@pytest.mark.parametrize(
    ('parts', 'sentence'),
    [
        ((), 'The recording is empty; record the image topic.'),
        ((truth,), r'a.mcap contains no camera images, only /truth/depth \(sensor_msgs/msg/Image'),
    ],
)
def test_nothing_to_score(evaluate: Evaluate, tmp_path: Path, parts: tuple, sentence: str) -> None:
    bag = recorded(tmp_path / 'a.mcap', *parts, frames=2 if parts else 0)
    with pytest.raises(BagError, match=sentence):
        evaluate(bag)


@pytest.mark.parametrize('content', [b'', b'hello' * 99, b'\x89MCAP0\r\n', b'#ROSBAG V2.0\n'])
@pytest.mark.parametrize('ending', ['mcap', 'bag', 'db3'])
def test_no_recording(evaluate: Evaluate, tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f'a.{ending}'
    path.write_bytes(content)
    with pytest.raises(BagError, match='cannot be read'):
        evaluate(path)
