import numpy as np

from mtscene_ros.camera.point_cloud import POINT, cloud
from mtscene_ros.types import Intrinsics

CAMERA = Intrinsics(3, 2, 10.0, 20.0, 1.0, 0.5)


def test_points_colours_and_labels_stay_pixel_by_pixel() -> None:
    depth_m = np.array([[2, 4, np.inf], [np.nan, 10, -np.inf]], np.float32)
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[1, 1] = 1, 2, 3
    labels, confidence = np.arange(6, dtype=np.uint8).reshape(2, 3), np.full((2, 3), 9, np.uint8)
    points = cloud(depth_m, CAMERA, rgb, labels, confidence)
    assert points.shape == (2, 3)
    assert points.itemsize == POINT.itemsize == 20
    np.testing.assert_allclose(list(points[0, 0])[:3], [-0.2, -0.05, 2.0], rtol=1e-6)
    np.testing.assert_allclose(list(points[1, 1])[:3], [0.0, 0.25, 10.0], rtol=1e-6)
    assert points[1, 1]['rgb'] == 0x010203
    assert points[1, 1]['label'] == 4
    assert points[1, 1]['confidence'] == 9
    unknown = np.isnan(points['x']) & np.isnan(points['y']) & np.isnan(points['z'])
    np.testing.assert_array_equal(unknown, [[False, False, True], [True, False, True]])


def test_equal_clouds_have_equal_bytes() -> None:
    """Also those of the point that no field takes, whatever the memory held before."""
    shape = (2, 3)
    dirty = [np.full(6 * POINT.itemsize, 255, np.uint8) for _ in range(50)]
    del dirty  # NumPy and malloc give this memory out again
    maps = np.ones(shape, np.float32), np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    points = cloud(maps[0], CAMERA, maps[1], maps[2], maps[2])
    assert not points.view(np.uint8).reshape(6, 20)[:, 18:].any()


def test_labels_of_many_classes_have_two_bytes() -> None:
    labels = np.array([[0, 300, 65535]] * 2, np.uint16)
    rgb, confidence = np.zeros((2, 3, 3), np.uint8), np.full((2, 3), 9, np.uint8)
    points = cloud(np.ones((2, 3), np.float32), CAMERA, rgb, labels, confidence)
    np.testing.assert_array_equal(points['label'], labels)
    np.testing.assert_array_equal(points['confidence'], confidence)
    assert points.itemsize == 20
    assert points.view(np.uint8).reshape(2, 3, 20)[..., 19].max() == 0
