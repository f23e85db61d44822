"""Reports of recordings written here: results are truth, changed by known amounts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtscene_ros.camera import messages
from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.recordings.bag_messages import maker
from mtscene_ros.recordings.bags import BagError, BagWriter
from mtscene_ros.recordings.node_results import read_recording
from mtscene_ros.report.recording_page import rate_hz, write_report
from mtscene_ros.types import Boxes3D, DepthMap, LabelMap
from mtscene_ros.worlds.drive import drive_sequence

FIRST_NS = 1_700_000_000_000_000_000


class Writer(BagWriter):
    """Messages of the node, written by field name."""

    frame_id = 'camera_optical_frame'

    def put(self, topic: str, kind: str, stamp_ns: int, **fields: Any) -> None:
        stamp = self.make('builtin_interfaces/Time', *divmod(stamp_ns, 10**9))
        header = self.make('std_msgs/Header', stamp, self.frame_id)
        package, name = kind.split('/')
        self.write(topic, f'{package}/msg/{name}', stamp_ns, self.make(kind, header, **fields))

    def make(self, kind: str, *values: Any, **fields: Any) -> Any:
        return self.types.types['/msg/'.join(kind.split('/'))](*values, **fields)

    def image(self, topic: str, encoding: str, stamp_ns: int, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        data = np.ascontiguousarray(pixels).view(np.uint8).ravel()
        fields = {'height': height, 'width': width, 'step': data.size // height, 'data': data}
        self.put(topic, 'sensor_msgs/Image', stamp_ns, encoding=encoding, is_bigendian=0, **fields)

    def info(self, topic: str, stamp_ns: int, i: Any) -> None:
        k = np.array([i.fx_px, 0, i.cx_px, 0, i.fy_px, i.cy_px, 0, 0, 1])
        roi = self.make('sensor_msgs/RegionOfInterest', 0, 0, 0, 0, False)
        self.put(
            topic, 'sensor_msgs/CameraInfo', stamp_ns, height=i.height_px, width=i.width_px,
            distortion_model='plumb_bob', d=np.zeros(5), k=k, r=np.eye(3).ravel(),
            p=np.zeros(12), binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip

    def boxes(self, topic: str, stamp_ns: int, boxes: Boxes3D) -> None:
        stamp = self.make('builtin_interfaces/Time', *divmod(stamp_ns, 10**9))
        header = self.make('std_msgs/Header', stamp, 'camera_optical_frame')
        found = []
        for i in range(len(boxes)):
            point = self.make('geometry_msgs/Point', *boxes.centers_m[i])
            turned = self.make('geometry_msgs/Quaternion', *boxes.quaternions_xyzw[i])
            pose = self.make('geometry_msgs/Pose', point, turned)
            size = self.make('geometry_msgs/Vector3', *boxes.sizes_m[i])
            name = boxes.classes[boxes.class_ids[i]].name
            opinion = self.make('vision_msgs/ObjectHypothesis', name, float(boxes.scores[i]))
            known = self.make('geometry_msgs/PoseWithCovariance', pose, np.zeros(36))
            result = self.make('vision_msgs/ObjectHypothesisWithPose', opinion, known)
            box = self.make('vision_msgs/BoundingBox3D', pose, size)
            found.append(self.make('vision_msgs/Detection3D', header, [result], box, ''))
        self.put(topic, 'vision_msgs/Detection3DArray', stamp_ns, detections=found)


def write_drive(path: Path, length: int, width: int = 64, height: int = 32) -> None:
    """Depth 10 % too long, the left half of the labels wrong, one result missing for frame 1."""
    with Writer(path) as bag:
        table = [bag.make('vision_msgs/VisionClass', c.id, c.name) for c in CITYSCAPES_19]
        for k, world in enumerate(drive_sequence(5, length, 10.0, width, height)):
            t, wrong = world.stamp_ns, world.labels.copy()
            wrong[:, : width // 2] = (wrong[:, : width // 2] + 1) % 19
            bag.put('/perception/semantic/label_info', 'vision_msgs/LabelInfo', t,
                    class_map=table, threshold=0.0)  # fmt: skip
            bag.put('/truth/label_info', 'vision_msgs/LabelInfo', t,
                    class_map=table, threshold=0.0)  # fmt: skip
            bag.image('/camera/image_raw', 'rgb8', t, world.rgb)
            bag.image('/truth/semantic', 'mono8', t, world.labels)
            bag.image('/truth/depth', '32FC1', t, world.depth_m)
            bag.boxes('/truth/detections_3d', t, world.boxes)
            bag.image('/perception/semantic/image', 'mono8', t, wrong)
            bag.info('/perception/depth/camera_info', t, world.intrinsics)
            if k != 1:
                bag.image('/perception/depth/image', '32FC1', t, world.depth_m * np.float32(1.1))
            bag.boxes('/perception/detections_3d', t, world.boxes)
            stage_s = {'infer': 0.010 * (k + 1), 'publish': 0.001 * (k + 1)}
            header = messages.header(maker(bag.types), t, bag.frame_id)
            stats = messages.frame_stats(
                maker(bag.types), header, '', 0.1, stage_s, Counts(k + 2, k + 1, 1, 0)
            )
            bag.write('/perception/debug/frame_stats', 'mtscene_msgs/msg/FrameStats', t, stats)


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames, of which three are complete."""
    path = tmp_path_factory.mktemp('drive') / 'out.mcap'
    write_drive(path, 4)
    return path


def test_statistics(drive: Path) -> None:
    recording = read_recording(drive)
    assert recording.image_topic == '/camera/image_raw'
    assert rate_hz(recording.input_ns) == pytest.approx(10)
    np.testing.assert_allclose(recording.total_s, [0.011, 0.022, 0.033, 0.044])
    assert recording.counts == {'received': 5, 'published': 4, 'dropped': 1, 'failed': 0}


def test_results_are_matched_by_stamp(drive: Path) -> None:
    recording = read_recording(drive)
    worlds = {w.stamp_ns: w for w in drive_sequence(5, 4, 10.0, 64, 32)}
    stamps = [m.scene.frame.stamp_ns for m in recording.shown]
    assert stamps == [FIRST_NS + k * 10**8 for k in (0, 2, 3)]  # frame 1 has no depth
    for shown_frame in recording.shown:
        world, scene = worlds[shown_frame.scene.frame.stamp_ns], shown_frame.scene
        depth, labels, boxes = (scene.results[t] for t in ('depth', 'semantic', 'boxes3d'))
        assert isinstance(depth, DepthMap)
        assert isinstance(labels, LabelMap)
        assert isinstance(boxes, Boxes3D)
        np.testing.assert_array_equal(scene.frame.rgb, world.rgb)
        np.testing.assert_array_equal(depth.depth_m, world.depth_m * np.float32(1.1))
        np.testing.assert_array_equal(labels.labels[:, 32:], world.labels[:, 32:])
        np.testing.assert_array_equal(boxes.centers_m, world.boxes.centers_m)
        assert labels.classes == CITYSCAPES_19


class Page(HTMLParser):
    """Sources of images, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.text = ''
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == 'img':
            self.images.append(str(dict(attrs)['src']))

    def handle_data(self, data: str) -> None:
        self.text += f' {data}'


def test_page_is_self_contained_and_tells_the_numbers(drive: Path, tmp_path: Path) -> None:
    write_report(drive, tmp_path / 'a' / 'report.html', shown=2)
    html = (tmp_path / 'a' / 'report.html').read_text()
    page = Page(html)
    assert len(page.images) == 2 * 5  # image, overlay, depth and its scale, bird's-eye view
    assert all(re.match(r'data:image/(png|jpeg);base64,', source) for source in page.images)
    assert not re.search(r'https?://|<script|<link', html)
    assert '4 of 4' in page.text
    assert page.text.count('pixel accuracy 50.0 %') == 2  # the left half is wrong
    assert page.text.count('depth AbsRel 0.100') == 2
    assert re.search(r'infer\s+25\.0\s+', page.text)  # median of 10, 20, 30, 40 ms


def test_results_belong_to_the_camera_of_their_frame_not_of_their_stamp_alone(
    tmp_path: Path,
) -> None:
    """Two cameras with the same stamps; the left one comes first in the alphabet."""
    with Writer(tmp_path / 'in.mcap') as bag:
        for side, red in (('left', 9), ('right', 7)):
            bag.frame_id = f'{side}_optical_frame'
            pixels = np.full((4, 4, 3), red, np.uint8)
            bag.image(f'/{side}/image_raw', 'rgb8', FIRST_NS, pixels)
        bag.image('/perception/semantic/image', 'mono8', FIRST_NS, np.ones((4, 4), np.uint8))
    recording = read_recording(tmp_path / 'in.mcap')
    assert recording.image_topic == '/right/image_raw'
    assert recording.shown[0].scene.frame.rgb[0, 0, 0] == 7


def test_a_node_in_a_namespace_is_found(tmp_path: Path) -> None:
    with Writer(tmp_path / 'in.mcap') as bag:
        table = [bag.make('vision_msgs/VisionClass', 0, 'road')]
        bag.image('/robot1/camera/image_raw', 'rgb8', FIRST_NS, np.zeros((4, 4, 3), np.uint8))
        labels = '/robot1/perception/semantic'
        bag.image(f'{labels}/image', 'mono8', FIRST_NS, np.ones((4, 4), np.uint8))
        bag.put(f'{labels}/label_info', 'vision_msgs/LabelInfo', FIRST_NS,
                class_map=table, threshold=0.0)  # fmt: skip
    assert read_recording(tmp_path / 'in.mcap').answered == 1
    with pytest.raises(BagError, match='no results of /other; it has those of /robot1/percept'):
        read_recording(tmp_path / 'in.mcap', node='/other')


LABELS, DEPTH = '/perception/semantic/image', '/perception/depth/image'


@pytest.mark.parametrize(
    ('topics', 'pictures', 'missing'),
    [
        ((), 1, ('semantic (`', 'depth (`', 'boxes3d (`', 'latency and counts (`')),
        ((LABELS,), 2, ('depth (`', 'boxes3d (`', 'latency and counts (`')),
        ((DEPTH,), 3, ('semantic (`', 'boxes3d (`', 'latency and counts (`')),
    ],
)
def test_a_report_of_few_topics(
    tmp_path: Path, topics: tuple[str, ...], pictures: int, missing: tuple[str, ...]
) -> None:
    """As `mtscene record --topics A B` records: the page says what is missing."""
    with Writer(tmp_path / 'in.mcap') as bag:
        bag.image('/camera/image_raw', 'rgb8', FIRST_NS, np.zeros((4, 4, 3), np.uint8))
        for topic in topics:
            kind, dtype = ('mono8', np.uint8) if topic == LABELS else ('32FC1', np.float32)
            bag.image(topic, kind, FIRST_NS, np.ones((4, 4), dtype))
    write_report(tmp_path / 'in.mcap', tmp_path / 'r.html')
    page = Page((tmp_path / 'r.html').read_text())
    assert len(page.images) == pictures
    [sentence] = re.findall(r'Not in the recording: [^.]*\.', page.text)
    assert [part in sentence for part in missing] == [True] * len(missing)
    assert sentence.count('(`') == len(missing)


@pytest.mark.parametrize('with_classes', [False, True])
def test_a_recording_without_statistics_is_shown(tmp_path: Path, with_classes: bool) -> None:
    """What `mtscene record --topics` of README keeps; the second image has no boxes."""
    with Writer(tmp_path / 'out.mcap') as bag:
        for k, world in enumerate(drive_sequence(5, 2, 10.0, 64, 32)):
            bag.image('/camera/image_raw', 'rgb8', world.stamp_ns, world.rgb)
            if k == 0:
                bag.boxes('/perception/detections_3d', world.stamp_ns, world.boxes)
        if with_classes:
            table = [bag.make('vision_msgs/VisionClass', 0, 'road')]
            bag.put('/perception/semantic/label_info', 'vision_msgs/LabelInfo', FIRST_NS,
                    class_map=table, threshold=0.0)  # fmt: skip
    write_report(tmp_path / 'out.mcap', tmp_path / 'report.html')
    text = Page((tmp_path / 'report.html').read_text()).text
    assert '1 of 2' in text
    assert 'no frame_stats' in text
    assert 'never received' not in text


def test_bags_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='does not exist'):
        read_recording(tmp_path / 'no.mcap')
    with Writer(tmp_path / 'in.mcap') as bag:
        bag.image(LABELS, 'mono8', FIRST_NS, np.zeros((4, 4), np.uint8))
    with pytest.raises(BagError, match='contains no camera images'):
        read_recording(tmp_path / 'in.mcap')


def test_an_image_of_two_columns(tmp_path: Path) -> None:
    """Enlarged to 960 px of width it would have been 1.9 million px high."""
    narrow = np.zeros((4000, 2), np.uint8)
    with Writer(tmp_path / 'in.mcap') as bag:
        bag.image('/camera/image_raw', 'mono8', FIRST_NS, narrow)
        bag.image(LABELS, 'mono8', FIRST_NS, narrow)
    write_report(tmp_path / 'in.mcap', tmp_path / 'r.html')
    assert (tmp_path / 'r.html').stat().st_size < 100_000
