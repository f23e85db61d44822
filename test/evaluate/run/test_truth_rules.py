"""Truth that stamps, types, classes or delays make doubtful: scored rightly, or not and said."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from evaluate.bags import FIRST_NS, IMAGE, INFO, PERIOD_NS, camera, image, options, recorded, truth

from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.truth.truth_messages import TruthError, from_compressed_depth
from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagWriter
from mtscene_ros.types import Boxes3D, SemanticClass

Evaluate = Callable[..., Any]
BOXES = 'vision_msgs/msg/Detection3DArray'


@pytest.fixture
def evaluate(tiny_path: str, tmp_path: Path) -> Evaluate:
    return lambda bag, **changes: evaluate_bag(bag, options(tiny_path, **changes), tmp_path / 'r')


def unstamped(
    writer: BagWriter, make: Messages, index: int, stamp_ns: int, messages: int = 4
) -> None:
    """Image and its labels, all with a stamp of zero; labels of the first `messages` images."""
    from evaluate.bags import CAMERA

    header = make.header(0, 'camera_optical_frame')
    writer.write('/camera/camera_info', INFO, stamp_ns, make.camera_info(CAMERA, header))
    writer.write('/camera/image_raw', IMAGE, stamp_ns, make.image(image(index), 'rgb8', header))
    labels = np.asarray(image(index)[..., 0] // 8, np.uint8)
    if index < messages:
        writer.write('/truth/semantic', IMAGE, stamp_ns, make.image(labels, 'mono8', header))


def test_stamps_of_zero_are_matched_by_order(evaluate: Evaluate, tmp_path: Path) -> None:
    found = evaluate(recorded(tmp_path / 'a.mcap', unstamped))
    assert found['metrics']['semantic']['accuracy'] == 100
    assert any('are matched by their order' in note for note in found['notes'])


def test_unless_the_counts_differ(evaluate: Evaluate, tmp_path: Path) -> None:
    found = evaluate(recorded(tmp_path / 'a.mcap', partial(unstamped, messages=3)))
    assert 'semantic' not in found['counts']['with_truth']
    assert any('4 images /truth/semantic has 3 messages, so' in n for n in found['notes'])


def test_a_stamp_that_occurs_twice_is_not_scored(evaluate: Evaluate, tmp_path: Path) -> None:
    def third_as_second(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        camera(writer, make, index, stamp_ns - PERIOD_NS * (index == 2))
        truth(writer, make, index, stamp_ns)

    found = evaluate(recorded(tmp_path / 'a.mcap', third_as_second))
    assert found['counts']['with_truth'] == {'semantic': 2, 'depth': 2}
    assert any('1 stamp of images occur' in note for note in found['notes'])


def late(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """Labels of the image 1.5 s before, of which there are 20 at 10 Hz."""
    camera(writer, make, index, stamp_ns)
    header = make.header(stamp_ns - 15 * PERIOD_NS, 'camera_optical_frame')
    if index >= 15:
        labels = np.asarray(image(index - 15)[..., 0] // 8, np.uint8)
        writer.write('/truth/semantic', IMAGE, stamp_ns, make.image(labels, 'mono8', header))


@pytest.mark.parametrize(('delay_s', 'scored'), [(1.0, 0), (2.0, 5)])
def test_late_truth(evaluate: Evaluate, tmp_path: Path, delay_s: float, scored: int) -> None:
    bag = recorded(tmp_path / 'a.mcap', late, frames=20)
    found = evaluate(bag, truth_delay_s=delay_s)
    assert found['counts']['with_truth'].get('semantic', 0) == scored
    says_late = any(
        '5 messages of /truth/semantic came more than 1 s' in n for n in found['notes']
    )
    says_missing = any('15 of 20 images got no truth of semantic' in n for n in found['notes'])
    assert (says_late, says_missing) == (scored == 0, scored == 5)


def boxes(names: tuple[str, ...]) -> Boxes3D:
    """One box of each class, 20 m ahead and 9 m apart, far from what the tiny model sees."""
    count = len(names)
    centers = np.stack([9.0 * np.arange(count), np.full(count, -8.0), np.full(count, 20.0)], 1)
    return Boxes3D(
        np.arange(count), np.full(count, 0.9, np.float32), centers, np.ones((count, 3)),
        np.tile([-0.5, 0.5, -0.5, 0.5], (count, 1)),
        tuple(SemanticClass(i, name, (1, 2, 3)) for i, name in enumerate(names)),
    )  # fmt: skip


def test_boxes_taken_by_their_type_are_named(evaluate: Evaluate, tmp_path: Path) -> None:
    def detector(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        header = make.header(stamp_ns, 'camera_optical_frame')
        message = make.detections_3d(boxes(('car', 'car')), header)
        if index == 2:
            message.detections[0].results.clear()
        writer.write('/other/detections', BOXES, stamp_ns, message)

    found = evaluate(recorded(tmp_path / 'a.mcap', camera, detector))
    notes = ' '.join(found['notes'])
    assert '/other/detections is taken as the truth of boxes3d, because nothing else' in notes
    assert 'A true box without results has no class and is left out.' in notes
    assert found['metrics']['boxes3d']['car.truths'] == 4 * 2 - 1


def few(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
    """Labels 1 as `path` and 10 as `sky`, which are all classes that there are."""
    header = make.header(stamp_ns, 'camera_optical_frame')
    table = (SemanticClass(0, 'path', (0, 0, 0)), SemanticClass(1, 'sky', (0, 0, 0)))
    if index == 0:
        info = make.label_info(table, header)
        writer.write('/truth/label_info', 'vision_msgs/msg/LabelInfo', stamp_ns, info)
    labels = (image(index)[..., 0] == 80).astype(np.uint8)
    writer.write('/truth/semantic', IMAGE, stamp_ns, make.image(labels, 'mono8', header))


def test_the_truths_classes_make_the_headline(evaluate: Evaluate, tmp_path: Path) -> None:
    """The model has `sidewalk` and `sky` of 19 classes."""
    assert [CITYSCAPES_19[k].name for k in (1, 10)] == ['sidewalk', 'sky']
    bag = recorded(tmp_path / 'a.mcap', camera, few)
    found = evaluate(bag, classes=(('path', 'sidewalk'),))
    assert found['metrics']['semantic']['miou'] == 100
    assert any('has 2 of the 19 classes of the model' in note for note in found['notes'])
    found = evaluate(bag)
    assert found['metrics']['semantic']['miou'] == 100  # of sky alone
    assert any('lacks the classes path' in note for note in found['notes'])


def png(values: np.ndarray) -> bytes:
    return bytes(cv2.imencode('.png', values)[1])


def test_compressed_depth() -> None:
    millimetres = np.array([[0, 20000]], np.uint16)
    found = from_compressed_depth('16UC1; compressedDepth png', bytes(12) + png(millimetres))
    assert found.tolist() == [[0, 20000]]
    # q = a / depth + b: 100 / 4 m + 3 = 28.
    header = np.array([0], '<i4').tobytes() + np.array([100, 3], '<f4').tobytes()
    data = header + png(np.array([[0, 28]], np.uint16))
    quantised = from_compressed_depth('32FC1; compressedDepth png', data)
    np.testing.assert_array_equal(quantised, np.array([[np.nan, 4]], np.float32))
    with pytest.raises(TruthError, match='no PNG behind its header of 12 bytes'):
        from_compressed_depth('16UC1; compressedDepth rvl', bytes(40))


def test_depth_truth_behind_twelve_bytes(evaluate: Evaluate, tmp_path: Path) -> None:
    topic = '/camera/depth/image_raw/compressedDepth'

    def depth(writer: BagWriter, make: Messages, index: int, stamp_ns: int) -> None:
        data = bytes(12) + png(np.full((32, 64), 20000, np.uint16))
        header = make.header(stamp_ns, 'camera_optical_frame')
        message = make.compressed_image(data, '16UC1; compressedDepth png', header)
        writer.write(topic, 'sensor_msgs/msg/CompressedImage', stamp_ns, message)

    bag = recorded(tmp_path / 'a.mcap', camera, depth)
    found = evaluate(bag, truth_topics=(('depth', topic),))
    assert found['metrics']['depth']['abs_rel'] == 0
    assert FIRST_NS == 1_700_000_000 * 10**9
