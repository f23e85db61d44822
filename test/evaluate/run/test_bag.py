"""Recordings whose scores can be worked out by hand, with the tiny model."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from conftest import tiny_spec
from evaluate.bags import (
    CAMERA,
    FIRST_NS,
    IMAGE,
    INFO,
    PERIOD_NS,
    camera,
    image,
    options,
    recorded,
    truth,
)

from mtscene_ros.camera.outputs import OUTPUTS
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.evaluate.options import ALL_OUTPUTS
from mtscene_ros.evaluate.pages.page_frames import choose
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.run.merge import merge
from mtscene_ros.evaluate.run.predictions import chosen
from mtscene_ros.models.nested import plain
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagWriter, open_bag
from mtscene_ros.temporal.image_features import VERSION
from mtscene_ros.temporal.novelty import identity
from mtscene_ros.types import Boxes3D


def test_scores_by_hand(tiny_path: str, tmp_path: Path) -> None:
    found = evaluate_bag(recorded(tmp_path / 'a.mcap'), options(tiny_path), tmp_path / 'report')
    scores = found['metrics']
    assert found['counts']['with_truth'] == {'semantic': 4, 'depth': 4}
    assert scores['semantic']['accuracy'] == 50  # the lower half
    # In the lower half of each image 60 columns of label 1, none of which is in the upper one.
    assert scores['semantic']['iou sidewalk'] == 50
    assert scores['semantic']['iou building'] == 0
    assert scores['depth']['abs_rel'] == pytest.approx(5 / 25)
    assert (scores['depth']['rmse'], scores['depth']['delta1']) == (5, 0)
    assert found['tables']['depth_by_distance'][2]['truths'] == 4 * 32 * 64  # 20 to 30 m
    # Confidence is 51 / 255, and half is right.
    assert scores['semantic']['ece'] == pytest.approx(0.3)
    assert json.loads((tmp_path / 'report' / 'metrics.json').read_text()) == found


def test_a_row_for_each_frame(tiny_path: str, tmp_path: Path) -> None:
    evaluate_bag(recorded(tmp_path / 'a.mcap'), options(tiny_path), tmp_path / 'report')
    rows = pyarrow.parquet.read_table(tmp_path / 'report' / 'frames.parquet').to_pydict()
    assert rows['index'] == [0, 1, 2, 3]
    assert rows['stamp_ns'] == [FIRST_NS + i * PERIOD_NS for i in range(4)]
    assert set(rows['camera']) == {'/camera/image_raw'}
    assert rows['depth.abs_rel'] == pytest.approx([0.2] * 4)
    assert all(0 < a <= b for a, b in zip(rows['infer_ms'], rows['latency_ms'], strict=True))


def test_two_recordings_have_one_score(tiny_path: str, tmp_path: Path) -> None:
    """The second has half as many frames, in which the upper half is not known to be wrong."""

    def right(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        header = make.header(stamp_ns, 'camera_optical_frame')
        labels = make.image(np.full((32, 64), 1, np.uint8), 'mono8', header)
        writer.write('/truth/semantic', 'sensor_msgs/msg/Image', stamp_ns, labels)

    bags = recorded(tmp_path / 'a.mcap'), recorded(tmp_path / 'b.mcap', camera, right, frames=2)
    parts = [evaluate_bag(b, options(tiny_path), tmp_path / b.stem) for b in bags]
    total = plain(merge(parts))
    share = (4 * 0.5 + 2 * 60 / 64) / 6
    assert total['metrics']['semantic']['accuracy'] == pytest.approx(100 * share)
    assert total['counts']['with_truth'] == {'semantic': 6, 'depth': 4}
    assert total['bag']['frames'] == 6
    assert plain(merge(parts[:1]))['metrics'] == parts[0]['metrics']


def marked(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """The model finds a car of 4 x 2 x 1.5 m at (1.25, 3.75, 20) with score 0.8."""
    header = make.header(stamp_ns, 'camera_optical_frame')
    rgb = np.full((32, 64, 3), (8, 51, 40), np.uint8)
    rgb[24:26, 32:34, 1] = 204
    writer.write('/camera/camera_info', INFO, stamp_ns, make.camera_info(CAMERA, header))
    writer.write('/camera/image_raw', IMAGE, stamp_ns, make.image(rgb, 'rgb8', header))


def boxes_behind(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """The same car half a metre farther, told in a frame one metre behind the camera."""
    pose = np.eye(4)
    pose[2, 3] = 1.0
    stamped = make.transform(make.header(0, 'rear'), 'camera_optical_frame', pose)
    tf, kind = make.transforms([stamped]), 'tf2_msgs/msg/TFMessage'
    writer.write('/tf_static', kind, stamp_ns, tf, latched=True)
    box = Boxes3D(
        np.array([0]), np.ones(1, np.float32), np.array([[1.25, 3.75, 21.5]]),
        np.array([[4.0, 2.0, 3.0]]), np.array([[0.5, -0.5, 0.5, 0.5]]), DRIVE_BOXES,
    )  # fmt: skip
    message = make.detections_3d(box, make.header(stamp_ns, 'rear'))
    writer.write('/boxes', 'vision_msgs/msg/Detection3DArray', stamp_ns, message)


def test_boxes_in_another_frame_are_moved_by_tf(tiny_path: str, tmp_path: Path) -> None:
    bag = recorded(tmp_path / 'a.mcap', marked, boxes_behind, frames=2)
    found = evaluate_bag(bag, options(tiny_path), tmp_path / 'report')
    scores = found['metrics']['boxes3d']
    assert (scores['car.truths'], scores['car.recall']) == (2, 1)
    assert scores['car.distance_m'] == pytest.approx(0.5)
    assert scores['car.size_error'] == pytest.approx(0.5)  # half as high
    [_, row] = found['tables']['boxes_by_distance']  # the model's own lies at 20 m
    assert (row['from_m'], row['to_m'], row['truths'], row['found']) == (20, 30, 2, 2)
    assert found['tables']['calibration'][-1]['confidence'] == pytest.approx(0.8)


def image_first(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """A driver that publishes the image before the camera_info of its stamp."""
    header = make.header(stamp_ns, 'camera_optical_frame')
    writer.write('/camera/image_raw', IMAGE, stamp_ns, make.image(image(index), 'rgb8', header))
    info = make.camera_info(CAMERA, header)
    writer.write('/camera/camera_info', INFO, stamp_ns + 1, info)


def test_an_image_before_the_first_camera_info_has_depth(tiny_path: str, tmp_path: Path) -> None:
    bag = recorded(tmp_path / 'a.mcap', image_first, truth)
    found = evaluate_bag(bag, options(tiny_path), tmp_path / 'report')
    assert found['counts']['with_truth']['depth'] == 4
    assert not any('camera_info' in note for note in found['notes'])


def test_outputs_that_are_wanted(tiny_path: str, tmp_path: Path) -> None:
    chosen = options(tiny_path, outputs=('depth/image', 'detections_3d'))
    evaluate_bag(recorded(tmp_path / 'a.mcap'), chosen, tmp_path / 'report')
    with open_bag(tmp_path / 'report' / 'predictions.mcap') as bag:
        counts = {topic: about.msgcount for topic, about in bag.topics.items()}
    assert counts['/perception/depth/image'] == counts['/perception/debug/frame_stats'] == 4
    assert '/perception/points' not in counts
    with pytest.raises(ValueError, match="no output 'depht'; it has semantic/image"):
        evaluate_bag(tmp_path / 'a.mcap', options(tiny_path, outputs=('depht',)), tmp_path / 'r')


def test_a_slow_node_drops_frames(tiny_path: str, tmp_path: Path) -> None:
    """250 ms for each of six frames that come every 100 ms, as test_arrivals.py works it out."""
    bag = recorded(tmp_path / 'a.mcap', frames=6)
    slow = options(tiny_path, realtime=True, latency_ms=250.0)
    found = evaluate_bag(bag, slow, tmp_path / 'report')
    counts = found['counts']
    assert (counts['received'], counts['published'], counts['dropped']) == (6, 4, 2)
    assert found['metrics']['frames']['dropped_share'] == pytest.approx(1 / 3)
    assert counts['with_truth']['semantic'] == 4
    rows = pyarrow.parquet.read_table(tmp_path / 'report' / 'frames.parquet').to_pydict()
    assert rows['status'] == ['published', 'dropped', 'published', 'dropped', *['published'] * 2]
    assert rows['latency_ms'][2] == pytest.approx(300)  # 50 of them in the mailbox
    assert np.isnan(rows['semantic.miou'][1])


def test_the_first_frames_only(tiny_path: str, tmp_path: Path) -> None:
    """The truth of the last one comes after the next image."""

    def late(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        if index:
            truth(writer, make, index - 1, stamp_ns - PERIOD_NS)

    bag = recorded(tmp_path / 'a.mcap', camera, late, frames=5)
    found = evaluate_bag(bag, options(tiny_path, max_frames=2), tmp_path / 'report')
    assert found['counts']['received'] == 2
    assert found['counts']['with_truth'] == {'semantic': 2, 'depth': 2}


def test_pictures_for_people_are_recorded_once() -> None:
    """Their compressed forms are on the robot for slow links, and here on request only."""
    everything = {output.topic for output in chosen(OUTPUTS, ALL_OUTPUTS)}
    assert {output.topic for output in OUTPUTS} - everything == {
        'debug/overlay/compressed',
        'semantic/color/compressed',
    }
    [asked] = chosen(OUTPUTS, ('debug/overlay/compressed',))
    assert asked.kind == 'sensor_msgs/msg/CompressedImage'


def test_novelty_is_a_column_and_steady_labels_hold(tiny_path: str, tmp_path: Path) -> None:
    model = tmp_path / 'tiny.onnx'
    model.write_bytes(Path(tiny_path).read_bytes())
    statistics = {'mean': [0.0] * 87, 'factor': np.eye(87).tolist(), 'limit': 10.0}
    known = {'features': VERSION, 'model': identity(tiny_spec()), 'hint': '', **statistics}
    model.with_suffix('.novelty.json').write_text(json.dumps(known))
    asked = options(str(model), novelty=True, temporal=True)
    found = evaluate_bag(recorded(tmp_path / 'a.mcap'), asked, tmp_path / 'report')
    rows = pyarrow.parquet.read_table(tmp_path / 'report' / 'frames.parquet').to_pydict()
    assert len(rows['image.novelty']) == 4
    assert min(rows['image.novelty']) > 0
    assert found['counts']['published'] == 4
    frames = {name: np.array(column) for name, column in rows.items()}
    assert [c.task for c in choose(frames)].count('novelty') == 1  # the others are too near
