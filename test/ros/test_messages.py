import math

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image

from mtscene_ros.camera import box_messages, camera_frames, images, messages
from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.camera.messages import New
from mtscene_ros.camera.point_cloud import cloud
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.recordings.bag_messages import maker
from mtscene_ros.recordings.bags import typestore
from mtscene_ros.ros import message_types
from mtscene_ros.types import (
    Boxes3D,
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    ProbabilityMap,
)

BAG = typestore()


@pytest.fixture(params=['rclpy', 'rosbags'])
def new(request: pytest.FixtureRequest) -> New:
    """Messages as the node and as offline evaluation make them."""
    return message_types.new if request.param == 'rclpy' else maker(BAG)


def info(**fields: object) -> CameraInfo:
    """640x480, K and P differ."""
    made = CameraInfo(width=640, height=480)
    made.k = [500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0]
    made.p = [480.0, 0.0, 310.0, 0.0, 0.0, 480.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_rectified_images_use_p_and_raw_ones_k() -> None:
    rectified, _ = camera_frames.intrinsics_from_camera_info(info(), 640, 480, True)
    raw, _ = camera_frames.intrinsics_from_camera_info(info(), 640, 480, False)
    assert (rectified.fx_px, rectified.cx_px, raw.fx_px, raw.cx_px) == (480, 310, 500, 319.5)


def test_binning_halves_focal_length_and_keeps_the_centre() -> None:
    binned = info(binning_x=2, binning_y=2)
    intrinsics, _ = camera_frames.intrinsics_from_camera_info(binned, 320, 240, False)
    assert (intrinsics.fx_px, intrinsics.cx_px, intrinsics.cy_px) == (250, 159.5, 119.5)


def test_region_of_interest_moves_the_centre() -> None:
    cut = info()
    cut.roi.x_offset, cut.roi.y_offset, cut.roi.width, cut.roi.height = 100, 40, 200, 100
    intrinsics, _ = camera_frames.intrinsics_from_camera_info(cut, 200, 100, False)
    assert (intrinsics.fx_px, intrinsics.cx_px, intrinsics.cy_px) == (500, 219.5, 199.5)


def test_header_survives_to_the_nanosecond() -> None:
    image = Image(encoding='mono8', width=1, height=1, step=1, data=[7])
    image.header.stamp.sec, image.header.stamp.nanosec = 1_700_000_000, 999_999_999
    image.header.frame_id = 'optical'
    assert (
        messages.header_of(message_types.new, camera_frames.frame_from_image(image, None, ''))
        == image.header
    )


def test_rows_are_packed_without_padding(new: New) -> None:
    wide = np.arange(24, dtype=np.uint16).reshape(4, 6)[:, :3]  # not contiguous
    message = messages.image_message(new, wide, '16UC1', messages.header(new, 0, ''))
    assert (message.height, message.width, message.step) == (4, 3, 6)
    assert np.frombuffer(message.data, '<u2').tolist() == wide.ravel().tolist()


@pytest.mark.parametrize(
    ('metres', 'millimetres'),
    [(1.2344, 1234), (math.nan, 0), (math.inf, 0), (-math.inf, 0), (65.534, 65534), (65.6, 0)],
)
def test_millimetres(new: New, metres: float, millimetres: int) -> None:
    depth = DepthMap(np.full((1, 1), metres, np.float32))
    image = messages.depth_image(new, depth, '16UC1', messages.header(new, 0, ''))
    assert np.frombuffer(image.data, '<u2')[0] == millimetres


def test_level_car_stands_upright_in_the_optical_frame(new: New) -> None:
    rotation = optical_from_level_box(np.array([-math.pi / 2]))  # drives away
    boxes = Boxes3D(
        np.array([6]), np.array([0.5], np.float32), np.array([[1.0, 2, 3]]),
        np.array([[4.0, 2, 1]]), quaternion_from_matrix(rotation), DRIVE_BOXES,
    )  # fmt: skip
    header = messages.header(new, 0, 'f')
    [detection] = box_messages.detections_3d(new, boxes, header).detections
    q = detection.bbox.center.orientation
    assert (q.x, q.y, q.z, q.w) == pytest.approx(
        (0.5, -0.5, 0.5, 0.5)
    )  # as in tf2's optical frames
    assert detection.results[0].hypothesis.class_id == 'person'
    assert detection.header.frame_id == 'f'


def test_class_map_is_complete(new: New) -> None:
    class_map = messages.label_info(new, CITYSCAPES_19, messages.header(new, 0, '')).class_map
    assert [(c.class_id, c.class_name) for c in class_map][13] == (13, 'car')


def test_frame_is_a_view_of_the_message() -> None:
    image = Image(encoding='rgb8', width=2, height=1, step=6, data=bytes(range(6)))
    frame = camera_frames.frame_from_image(image, None, 'front')
    assert isinstance(frame, CameraFrame)
    assert np.shares_memory(frame.rgb, np.frombuffer(image.data, np.uint8))


def test_a_probability_that_is_no_number_is_zero_in_mono8(new: New) -> None:
    found = ProbabilityMap(np.array([[np.nan, 0.2, 2.0]], np.float32))
    assert list(
        messages.probability_image(new, found, 'mono8', messages.header(new, 0, '')).data
    ) == [0, 51, 255]


def test_many_classes_are_16_bits_wide(new: New) -> None:
    labels = LabelMap(np.array([[299, 65535]], np.uint16), np.zeros((1, 2), np.uint8), ())
    image = messages.label_image(new, labels, messages.header(new, 0, ''))
    assert (image.encoding, image.step) == ('16UC1', 4)
    assert list(np.frombuffer(image.data, np.uint16)) == [299, 65535]


@pytest.mark.parametrize('form', ['jpeg', 'png'])
def test_a_compressed_image_is_read_back(new: New, form: str) -> None:
    rgb = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    made = messages.compressed_image(new, rgb, form, messages.header(new, 5, 'camera'))
    assert (made.format, made.header.frame_id) == (f'rgb8; {form} compressed bgr8', 'camera')
    found = images.rgb_from_compressed(made.format, np.frombuffer(made.data, np.uint8))
    assert found.shape == rgb.shape
    assert np.abs(found.astype(int) - rgb).max() <= (2 if form == 'jpeg' else 0)


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_sensor_msgs_py_reads_the_cloud(kind: type) -> None:
    reason = 'sensor_msgs_py is not installed'
    reader = pytest.importorskip('sensor_msgs_py.point_cloud2', reason=reason)
    camera, rgb = Intrinsics(3, 2, 10.0, 20.0, 1.0, 0.5), np.full((2, 3, 3), 7, np.uint8)
    labels, sure = np.arange(6, dtype=kind).reshape(2, 3), np.full((2, 3), 9, np.uint8)
    points = cloud(np.full((2, 3), 4, np.float32), camera, rgb, labels, sure)
    header = messages.header(message_types.new, 5, 'camera')
    found = reader.read_points(messages.point_cloud(message_types.new, points, header))
    for name in ('x', 'y', 'z', 'label', 'confidence'):
        assert found[name].ravel().tolist() == points[name].ravel().tolist()
    assert found['rgb'].ravel().view(np.uint32).tolist() == [0x070707] * 6
