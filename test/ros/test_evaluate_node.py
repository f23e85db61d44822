"""predictions.mcap against what the live node publishes for the same recording, field by field."""

import dataclasses
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtscene_ros.camera.outputs import COMPRESSED, label_info_topics, outputs_of
from mtscene_ros.evaluate.options import ALL_OUTPUTS, EvaluateOptions
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.models.catalogue import BUNDLED_MODEL, spec_of_file
from mtscene_ros.recordings.bags import BagWriter, open_bag
from mtscene_ros.ros.recorder import Recorder

from .conftest import Robot

Start = Callable[..., subprocess.Popen[str]]
CLI = [sys.executable, '-m', 'mtscene_ros.cli']
SPEC = spec_of_file()
# Pictures that exist raw and compressed are predicted once.
PER_FRAME = [
    f'/perception/{output.topic}' for output in outputs_of(SPEC) if output.kind != COMPRESSED
]
STATS = '/perception/debug/frame_stats'
CLASSES = [f'/perception/{topic}' for topic in label_info_topics(SPEC).values()]


def recorded(path: Path) -> dict[str, list[Any]]:
    """Topic → messages."""
    found = defaultdict(list)
    with open_bag(path) as bag:
        for connection, _, raw in bag.messages():
            found[connection.topic].append(bag.deserialize(raw, connection.msgtype))
    return found


def differences(a: Any, b: Any, where: str = '') -> list[str]:
    """Names of the fields that differ."""
    if dataclasses.is_dataclass(a):
        names = [f.name for f in dataclasses.fields(a)]
        parts = [(getattr(a, n), getattr(b, n), f'{where}.{n}') for n in names]
        return [found for part in parts for found in differences(*part)]
    if isinstance(a, list) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [found for i, (x, y) in pairs for found in differences(x, y, f'{where}[{i}]')]
    return [] if type(a) is type(b) and np.array_equal(a, b) else [where]


def live(start_node: Start, bag: Path, out: Path, frames: int) -> dict[str, list[Any]]:
    """What the recorder gets of the node while `mtscene play` plays stepwise."""
    start_node(model=BUNDLED_MODEL, threads=2, backend='onnxruntime')
    robot = Robot(outputs=('debug/frame_stats',))
    robot.wait_for_node()
    topics = [*PER_FRAME, STATS, *CLASSES]
    with BagWriter(out) as writer:
        recorder = Recorder(robot.node, writer, topics)
        robot.wait(lambda: recorder._subscriptions.keys() == set(topics))
        step = ['play', str(bag), '--step', '/perception/debug/frame_stats']
        player = subprocess.Popen([*CLI, *step])
        robot.wait(lambda: player.poll() is not None, timeout_s=600)
        assert player.returncode == 0
        robot.wait(lambda: all(recorder.counts[topic] >= frames for topic in [*PER_FRAME, STATS]))
        robot.wait(lambda: all(recorder.counts[topic] for topic in CLASSES))
        recorder.close()
    robot.node.destroy_node()
    return recorded(out)


def test_predictions_are_what_the_node_publishes(start_node: Start, tmp_path: Path) -> None:
    bag = tmp_path / 'drive.mcap'
    convert = ['convert', 'worlds', '--seed', '5', '--frames', '5', '--size', '256x128']
    subprocess.run([*CLI, *convert, '-o', str(bag)], check=True)
    published = live(start_node, bag, tmp_path / 'live.mcap', 5)
    options = EvaluateOptions(
        backend='onnxruntime', threads=2, progress=False, outputs=ALL_OUTPUTS
    )
    evaluate_bag(bag, options, tmp_path / 'report')
    predicted = recorded(tmp_path / 'report' / 'predictions.mcap')
    assert set(predicted) == {*PER_FRAME, STATS, *CLASSES}
    for topic in PER_FRAME:
        assert len(predicted[topic]) == len(published[topic]) == 5, topic
        assert differences(predicted[topic], published[topic]) == [], topic
    assert not differences(predicted[CLASSES[0]][0].class_map, published[CLASSES[0]][0].class_map)
    for ours, theirs in zip(predicted[STATS], published[STATS], strict=True):
        assert differences(ours.header, theirs.header) == []
        named = [s.name for s in theirs.stages if s.name != 'publish']
        assert [s.name for s in ours.stages] == named
    assert any(len(boxes.detections) for boxes in predicted['/perception/detections_3d'])


@pytest.mark.parametrize('field', ['id', 'score'])
def test_a_difference_is_seen(tmp_path: Path, field: str) -> None:
    """Otherwise the test above could not fail."""
    from mtscene_ros.recordings.bag_messages import maker
    from mtscene_ros.recordings.bags import typestore

    new = maker(typestore())
    kind = {'score': 'ObjectHypothesis', 'id': 'Detection3D'}[field]
    values = {'score': (0.5, 0.25), 'id': ('1', '2')}[field]
    a, b = (new(f'vision_msgs/msg/{kind}', **{field: value}) for value in values)
    assert differences([a], [b]) == [f'[0].{field}']
    assert differences([a], [a]) == []
