"""A calibration that cannot belong to the image, or hardly can, is named with its numbers."""

from typing import Any

import numpy as np
import pytest

from mtscene_ros.camera.camera_frames import CameraFrames, Level, rectification
from mtscene_ros.camera.camera_info import doubt_about, intrinsics_from_camera_info
from mtscene_ros.recordings.bag_messages import maker
from mtscene_ros.recordings.bags import typestore

new = maker(typestore())
BEND = [-0.3, 0.1, 0.0, 0.0, 0.0]


def info(size: tuple[int, int], *k: float, p: tuple[float, ...] = (), **fields: Any) -> Any:
    """k, p: fx, fy, cx, cy; p: as k where it is not given."""
    p, roi = p or k, fields.pop('roi', (0, 0, 0, 0))
    region = new(
        'sensor_msgs/msg/RegionOfInterest',
        x_offset=roi[0], y_offset=roi[1], width=roi[2], height=roi[3],
    )  # fmt: skip
    return new(
        'sensor_msgs/msg/CameraInfo', width=size[0], height=size[1], roi=region,
        distortion_model='plumb_bob', header=header(), k=[k[0], 0, k[2], 0, k[1], k[3], 0, 0, 1.0],
        p=[p[0], 0, p[2], 0, 0, p[1], p[3], 0, 0, 0, 1.0, 0], **fields,
    )  # fmt: skip


def header() -> Any:
    return new('std_msgs/msg/Header', frame_id='cam')


def image(width: int, height: int) -> Any:
    pixels = np.full(width * height * 3, 200, np.uint8)
    return new(
        'sensor_msgs/msg/Image', header=header(), width=width, height=height, encoding='rgb8',
        step=3 * width, data=pixels,
    )  # fmt: skip


CENTRED = (500, 500, 319.5, 239.5)
RIGHT = {
    'centred': (info((64, 32), 52, 52, 31.5, 15.5), (64, 32)),
    'KITTI': (info((1242, 375), 721.5, 721.5, 609.6, 172.9), (1242, 375)),
    'region in a corner': (info((640, 480), *CENTRED, roi=(0, 0, 100, 80)), (100, 80)),
    'binned': (info((640, 480), *CENTRED, binning_x=4, binning_y=4), (160, 120)),
    'binned in one direction': (info((640, 480), *CENTRED, binning_x=2), (320, 480)),
    'K empty, P there': (info((64, 32), 0, 0, 0, 0, p=(52, 52, 31.5, 15.5)), (64, 32)),
    'wide': (info((1280, 720), 320, 320, 639.5, 359.5), (1280, 720)),
}  # fmt: skip


@pytest.mark.parametrize('name', RIGHT)
def test_what_cameras_have_raises_no_doubt(name: str) -> None:
    message, size = RIGHT[name]
    for is_rectified in (True, False):
        found, why_not = intrinsics_from_camera_info(message, *size, is_rectified)
        assert (found is not None, why_not) == (True, '')
        assert doubt_about(message, is_rectified) == ''


@pytest.mark.parametrize(
    ('k', 'about'), [((312, 312, 190.8, 104.6), '383x210'), ((52, 52, 31.5, -1.0), '64x-1')]
)
def test_a_principal_point_outside_belongs_to_another_image(k: Any, about: str) -> None:
    found, why_not = intrinsics_from_camera_info(info((64, 32), *k), 64, 32, True)
    assert found is None
    assert f'cx {k[2]:.1f} and cy {k[3]:.1f}' in why_not
    assert f'its 64x32 px: P probably belongs to an image of about {about} px' in why_not


DOUBTFUL = {
    'K of the binned image': (
        info((256, 128), 52, 52, 31.5, 15.5, binning_x=4, binning_y=4), (64, 32),
        r'\(31.5, 15.5\), far off the middle of 256x128 px, .* binned image of 64x32 px already',
    ),
    'K of the region': (
        info((640, 480), 500, 500, 159.5, 119.5, roi=(160, 120, 320, 240)), (320, 240),
        'region of interest of 320x240 px already',
    ),
    'K of half the size': (
        info((640, 480), 250, 250, 159.5, 119.5), (640, 480), 'an image of about 320x240 px',
    ),
    'fx is twice fy': (info((64, 32), 104, 52, 31.5, 15.5), (64, 32), 'fx 104.0 and fy 52.0'),
    'focal length in metres': (
        info((64, 32), 0.05, 0.05, 31.5, 15.5), (64, 32), 'fx 0.1 .* 179.8 degrees across 64 px',
    ),
    'a telescope': (info((64, 32), 1000, 1000, 31.5, 15.5), (64, 32), '3.7 degrees'),
}  # fmt: skip


@pytest.mark.parametrize('name', DOUBTFUL)
def test_an_unlikely_calibration_is_one_sentence_with_its_numbers(name: str) -> None:
    message, size, words = DOUBTFUL[name]
    found, why_not = intrinsics_from_camera_info(message, *size, False)
    assert (found is not None, why_not) == (True, '')
    with pytest.raises(AssertionError, match=words):
        assert doubt_about(message, False) == ''
    frames = CameraFrames('', '/c/camera_info', False)
    frames.info = message
    remarks = frames.frame(image(*size))[1]
    assert [r.level for r in remarks] == [Level.WARN]
    assert remarks[0].text.count('. ') == 1


def test_binning_of_what_is_binned_already_is_named() -> None:
    binned = info((64, 32), 52, 52, 31.5, 15.5, binning_x=2, binning_y=2)
    why_not = intrinsics_from_camera_info(binned, 64, 32, True)[1]
    assert why_not.startswith('camera_info describes 32x16 px, because it has binning 2x2 though')


@pytest.mark.parametrize(
    ('said', 'topic', 'd', 'expected', 'word'),
    [
        (None, '/c/image_raw', BEND, False, 'are undistorted'),
        (None, '/c/image_rect_color', BEND, True, ''),
        (None, '/c/image_raw', [0.0] * 5, True, ''),
        (None, '/c/image_raw', [], True, ''),
        (None, '', BEND, False, 'are undistorted'),
        (True, '/c/image_raw', BEND, True, 'are taken as rectified'),
        (True, '/c/image_rect', BEND, True, ''),
        (False, '/c/image_raw', BEND, False, ''),
        (False, '/c/image_raw', [], False, ''),
    ],
)
def test_what_is_taken_as_rectified(
    said: bool | None, topic: str, d: list[float], expected: bool, word: str
) -> None:
    is_rectified, text = rectification(info((64, 32), 80, 80, 31.5, 15.5, d=d), topic, said)
    assert is_rectified == expected
    assert (word in text) if word else not text


def test_auto_undistorts_with_k_and_says_so_once() -> None:
    frames = CameraFrames('', '/c/camera_info', image_topic='/c/image_raw')
    frames.info = info((64, 48), 80, 80, 31.5, 23.5, p=(60, 60, 31.5, 23.5), d=BEND)
    frame, remarks = frames.frame(image(64, 48))
    assert frame.intrinsics is not None
    assert frame.intrinsics.fx_px == 80
    assert [(r.level, 'undistorted' in r.text) for r in remarks] == [(Level.OK, True)]
    frames.image_topic = '/c/image_rect'
    frame, remarks = frames.frame(image(64, 48))
    assert frame.intrinsics is not None
    assert (frame.intrinsics.fx_px, remarks, frame.unseen) == (60, [], None)
