"""One ranking of cameras, and their camera_info, for the topics of drivers and simulators."""

import pytest

from mtscene_ros.camera.camera_rank import (
    ImageTopic,
    InfoTopic,
    camera_info_of,
    others_sentence,
    ranked,
)
from mtscene_ros.camera.image_topics import camera_info_topic


def raw(topic: str, encoding: str = 'rgb8', count: float = 100, info: str = 'own') -> ImageTopic:
    info = camera_info_topic(topic) if info == 'own' else info
    return ImageTopic(topic, False, encoding, False, 'c', (64, 32), count, info)


def jpeg(topic: str, count: float = 100, *, grey: bool = False) -> ImageTopic:
    info = camera_info_topic(topic)
    return ImageTopic(topic, True, '', grey, 'c', (64, 32), count, info)


LAYOUTS: dict[str, list[ImageTopic]] = {  # the right one first
    'colour before grey': [raw('/b/image_raw'), raw('/a/image_raw', 'mono8', 300)],
    'grey before infrared': [raw('/left/image_raw', 'mono8'), raw('/ir/image_raw', 'mono8')],
    'heat in colours': [raw('/z/image_raw', 'mono8'), raw('/thermal/image_color')],
    'one channel of JPEG': [jpeg('/b/image/compressed'), jpeg('/a/image/compressed', grey=True)],
    'colour without calibration': [raw('/usb/image_raw', info=''), raw('/a/image', 'mono8')],
    'calibrated': [raw('/b/image_raw'), raw('/a/image_raw', info='')],
    'camera_info of its own': [raw('/b/image_raw'), raw('/a/image_raw', info='/b/camera_info')],
    'rectified': [raw('/c/image_rect'), raw('/c/image_raw'), raw('/c/image_color')],
    'raw transport': [raw('/c/image_raw'), jpeg('/c/image_raw/compressed', 104)],
    'raw at a low rate': [jpeg('/c/image_raw/compressed', 300), raw('/c/image_raw', count=10)],
    'segmentation of AirSim': [raw('/d/front_center/Scene'), raw('/d/front_center/Segmentation')],
    'optical flow': [raw('/sim/rgb/image'), raw('/sim/optical_flow/image')],
    'depth in colours': [raw('/c/left/image_rect'), raw('/c/depth/image_color')],
    'a depth camera alone is a camera': [raw('/depth_camera/image_raw'), raw('/x/ir', 'mono8')],
    'main before depth camera': [jpeg('/sim/main_camera'), jpeg('/sim/depth_camera')],
    'overlay': [raw('/z/image_raw'), raw('/detector/debug_image')],
    'ahead': [jpeg('/CAM_FRONT/image_rect'), jpeg('/CAM_BACK/image_rect', 104)],
    'left of two': [raw('/stereo/left/image_rect'), raw('/stereo/right/image_rect')],
    'preview': [raw('/oakd/rgb/image_raw'), raw('/oakd/rgb/preview/image_raw')],
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_the_best_camera_whatever_the_order(name: str) -> None:
    right, *others = LAYOUTS[name]
    assert ranked([right, *others])[0] == right
    assert ranked([*reversed(others), right])[0] == right


def test_what_cannot_be_used_is_not_ranked() -> None:
    depth = ImageTopic('/a/depth', why_not='depth')
    assert ranked([depth, raw('/b/image')]) == [raw('/b/image')]


def test_the_others_are_named_with_a_reason() -> None:
    ranking = ranked([raw('/b/image'), raw('/a/ir', 'mono8'), jpeg('/b/image/compressed')])
    assert others_sentence(ranking, '--image TOPIC') == (
        'The camera is /b/image. Other image topics: /b/image/compressed (compressed), /a/ir '
        '(infrared); --image TOPIC chooses another.'
    )
    assert others_sentence(ranking[:1], '--image TOPIC') == ''


def info(topic: str, frame: str = 'c', size: tuple[int, int] = (64, 32)) -> InfoTopic:
    return InfoTopic(topic, frame, size)


@pytest.mark.parametrize(
    ('infos', 'right'),
    [
        ([info('/c/camera_info', 'x', (1, 1)), info('/d/camera_info')], '/c/camera_info'),
        ([info('/c/image_raw/camera_info'), info('/d/camera_info')], '/c/image_raw/camera_info'),
        ([info('/calib/c', 'c'), info('/calib/d', 'd')], '/calib/c'),
        ([info('/calib', 'another'), info('/d/camera_info', 'd')], '/calib'),
        ([info('/other', 'x', (640, 480))], ''),
        ([info('/d/camera_info', 'd')], ''),  # that of /d/image_raw
        ([info('/calib/1', 'x'), info('/calib/2', 'y')], ''),
        ([], ''),
    ],
)
def test_camera_info_by_name_frame_or_size(infos: list[InfoTopic], right: str) -> None:
    found, why = camera_info_of(raw('/c/image_raw'), infos, ['/d/image_raw'])
    assert found == right
    assert bool(why) == found.startswith('/calib')
