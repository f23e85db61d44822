from dataclasses import replace

import numpy as np
import pytest

from mtscene_ros.camera.draw import birdseye, depth_rgb, overlay, palette, shown_shape
from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.types import (
    UNLABELED,
    Boxes3D,
    CameraFrame,
    Intrinsics,
    LabelMap,
    Scene,
    SemanticClass,
)

# u = 100 x / z + 64: a face of 2 m at 10 m spans pixels 54..74.
CAMERA = Intrinsics(128, 96, 100.0, 100.0, 64.0, 48.0)


def cube(x_m: float, z_m: float, yaw_rad: float = -np.pi / 2) -> Boxes3D:
    """One car of 2 x 2 x 2 m, centre at eye level; by default it drives away."""
    rotation = quaternion_from_matrix(optical_from_level_box(np.array([yaw_rad])))
    center, size = np.array([[x_m, 0.0, z_m]]), np.full((1, 3), 2.0)
    return Boxes3D(np.array([0]), np.array([0.9], np.float32), center, size, rotation, DRIVE_BOXES)


def scene(**results: Boxes3D | LabelMap) -> Scene:
    rgb = np.zeros((96, 128, 3), np.uint8)
    return Scene(CameraFrame(rgb, CAMERA, 0, 'camera'), results)


def test_box_edges_are_where_the_projection_puts_them() -> None:
    lit = overlay(scene(boxes3d=cube(0, 11))).any(-1)
    assert lit[48, 54]  # left edge of the rear face, 10 m away
    assert lit[48, 74]
    assert lit[58, 64]  # its lower edge
    assert not lit[48, 51]
    assert not lit[62:].any()


def test_the_heading_face_is_tinted() -> None:
    away = overlay(scene(boxes3d=cube(0, 11)))  # front at 12 m: 64 ± 8.3
    left = overlay(scene(boxes3d=cube(0, 11, np.pi)))  # front is the left side, seen from inside
    assert away[50, 68].any()
    assert not left[50, 68].any()
    assert left[50, 55].any()


def test_a_box_that_reaches_behind_the_camera_is_cut_off() -> None:
    lit = overlay(scene(boxes3d=cube(1.5, 0.5))).any(-1)
    assert not lit[:, :60].any()  # nothing turned inside out to the left of x = 0
    assert lit[:, 64:].any()
    assert not overlay(scene(boxes3d=cube(0, -5))).any()


def test_label_colors_are_mixed_half_and_unlabeled_stays() -> None:
    labels = np.full((96, 128), UNLABELED, np.uint8)
    labels[0, 0] = 1
    some = LabelMap(labels, np.zeros_like(labels), CITYSCAPES_19)
    before = scene(semantic=some)
    before.frame.rgb.setflags(write=False)  # as a view of a message
    picture = overlay(before)
    np.testing.assert_array_equal(picture[0, 0], [122, 18, 116])  # sidewalk is 244, 35, 232
    assert picture.sum() == 122 + 18 + 116


def test_an_overlay_never_draws_into_the_image() -> None:
    before = scene(boxes3d=cube(0, 11))
    overlay(before)
    overlay(replace(before, results={}))[:] = 7
    assert not before.frame.rgb.any()


def test_palette() -> None:
    colors = palette(CITYSCAPES_19)
    assert colors.shape == (256, 3)
    assert colors[13].tolist() == [0, 0, 142]
    assert not colors[19:].any()


def test_depth_runs_from_red_to_dark_blue_and_unknown_is_grey() -> None:
    depth_m = np.array([[3.0, 80.0, np.inf, np.nan]], np.float32)
    near, far, beyond, unknown = depth_rgb(depth_m, 80.0)[0].astype(int)
    assert near[0] > 150 > near[2]
    assert far.tolist() == beyond.tolist()
    assert far[0] < 80
    assert unknown.tolist() == [128, 128, 128]


@pytest.mark.parametrize(('x_m', 'column'), [(-10, 30), (0, 50), (10, 70)])
def test_birdseye_has_two_pixels_per_metre(x_m: float, column: int) -> None:
    empty = birdseye(cube(0, -9), None, (100, 120))
    picture = birdseye(cube(x_m, 30), None, (100, 120))
    rows, columns = np.nonzero((picture != empty).any(-1))
    assert abs(columns - column).max() <= 4
    assert rows.min() >= 60 - 6  # z = 30 m is row 60; the heading line adds 1.5 m on top
    assert rows.max() <= 60 + 4


def test_birdseye_shows_truth_in_another_way() -> None:
    box = cube(0, 30)
    with_truth, without = (birdseye(box, t, (100, 120)) for t in (cube(5, 30), None))
    rows, columns = np.nonzero((with_truth != without).any(-1))
    assert columns.min() >= 60 - 4
    assert len(rows) > 9  # 2 m x 2 m, filled


def test_many_classes_are_coloured_too() -> None:
    classes = tuple(SemanticClass(k, f'c{k}', (k % 256, k // 256, 200)) for k in range(300))
    labels = np.full((96, 128), 299, np.uint16)
    labels[0] = 65535  # unknown: as it is
    picture = overlay(scene(semantic=LabelMap(labels, np.zeros((96, 128), np.uint8), classes)))
    assert palette(classes).shape == (65536, 3)
    assert picture[0].max() == 0
    assert list(picture[5, 5]) == [22, 0, 100]  # half of (43, 1, 200)


@pytest.mark.parametrize(
    ('shape', 'shown'),
    [
        ((540, 960), (360, 640)),
        ((1280, 640), (1280, 640)),
        ((4000, 2), (1280, 1)),
        ((2, 4000), (1, 640)),
        ((10, 10), (640, 640)),
    ],
)
def test_pictures_are_at_most_twice_as_high_as_wide(
    shape: tuple[int, int], shown: tuple[int, int]
) -> None:
    assert shown_shape(shape, 640) == shown
