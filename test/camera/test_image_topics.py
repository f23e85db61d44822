"""What the names of image topics say."""

import pytest

from mtscene_ros.camera.image_topics import base_topic, camera_info_topics, says_rectified


@pytest.mark.parametrize(
    'topic',
    [
        '/camera/image_rect',
        '/camera/image_rect_color/compressed',
        '/infra1/image_rect_raw',
        '/zed/zed_node/rgb/color/rect/image',
        '/CAM_FRONT/image_rect_compressed',
    ],
)
def test_rectified(topic: str) -> None:
    assert says_rectified(topic)


@pytest.mark.parametrize(
    'topic',
    [
        '/camera/image_raw',
        '/rect/image_raw',
        '/zed/zed_node/rgb/color/raw/image',
        '/direct/image',
        '/image',
        '/rectangle/image',
    ],
)
def test_not_rectified(topic: str) -> None:
    assert not says_rectified(topic)


@pytest.mark.parametrize(
    ('image', 'info'),
    [
        ('/c/image_raw', '/c/camera_info'),
        ('/c/image_raw/compressed', '/c/camera_info'),
        ('/multisense/left/image_rect_color', '/multisense/left/image_rect_color/camera_info'),
        ('/c/image_rect', '/c/camera_info_rect'),
        ('/device_0/sensor_1/Color_0/image/data', '/device_0/sensor_1/Color_0/info/camera_info'),
        ('/image_raw', '/camera_info'),
    ],
)
def test_camera_info_is_looked_for_where_drivers_put_it(image: str, info: str) -> None:
    assert info in camera_info_topics(image)
    usual = base_topic(image).rpartition('/')[0] + '/camera_info'
    assert usual in camera_info_topics(image)[:2]
