"""The interface packages as they are built and installed."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_S

rclpy = pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from mtscene_msgs.msg import FrameStats, StageTime  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from vision_msgs.msg import Detection2DArray, Detection3D, Detection3DArray  # noqa: E402

MESSAGES = Path(__file__).parents[2] / 'msg' / 'mtscene_msgs' / 'msg'
# What a Jazzy installation's vision_msgs 4.1 reports: RIHS01, SHA-256 of names and types.
HASHES = {
    Detection2DArray: '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    Detection3D: 'ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b',
    Detection3DArray: '793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
}


@pytest.fixture
def node() -> Iterator['rclpy.node.Node']:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('hashes', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize('message_type', HASHES)
def test_vision_msgs_is_wire_identical(node: 'rclpy.node.Node', message_type: type) -> None:
    topic = f'/hash_{uuid.uuid4().hex}'
    node.create_publisher(message_type, topic, 1)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := node.get_publishers_info_by_topic(topic)):
        assert time.monotonic() < deadline_s, 'the publisher never appeared in the graph'
        time.sleep(0.02)
    assert str(found[0].topic_type_hash).endswith(HASHES[message_type])


def test_frame_stats_survives_the_wire() -> None:
    stages = [StageTime(name='prepare', duration_s=0.002), StageTime(name='infer', duration_s=0.5)]
    sent = FrameStats(camera='front', age_s=0.75, stages=stages, received=10, published=7)
    sent.dropped, sent.failed = 2, 2**64 - 1
    assert deserialize_message(serialize_message(sent), FrameStats) == sent


@pytest.mark.parametrize('path', sorted(MESSAGES.glob('*.msg')), ids=lambda path: path.stem)
def test_every_field_is_explained(path: Path) -> None:
    fields = [line for line in path.read_text().splitlines() if line and line[0] != '#']
    assert fields
    assert all('  # ' in field for field in fields)
