"""The sparse part of the published detection head, with numbers that can be worked out."""

import math

import numpy as np
import pytest
from conftest import class_options
from hypothesis import given
from hypothesis import strategies as st

from mtscene_ros.camera.geometry import (
    matrix_from_quaternion,
    optical_from_level_box,
    quaternion_from_matrix,
)
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.evaluate.scores.overlap import iou_3d
from mtscene_ros.tasks import fcos3d
from mtscene_ros.tasks.fcos3d import Fcos3dOptions, LevelGrid, rotated_iou, suppress_by_class
from mtscene_ros.types import Boxes3D, CameraFrame, Intrinsics

OPTIONS = Fcos3dOptions(DRIVE_BOXES[:2], (LevelGrid(2, 2, 8.0),), 32.0, 0.25, 3)
JSON = {
    'code': 'fcos3d', 'classes': class_options(DRIVE_BOXES[:2]), 'focal_px': 32.0,
    'levels': [[2, 2, 8.0], [1, 1, 16.0]], 'min_score': 0.25, 'max_boxes': 3,
}  # fmt: skip
LETTERBOX = Letterbox(32, 16, 32, 16)
FRAME = CameraFrame(
    np.zeros((16, 32, 3), np.uint8), Intrinsics(32, 16, 32.0, 32.0, 15.5, 7.5), 0, 'optical'
)


@pytest.mark.parametrize('degrees', range(0, 180, 5))
def test_a_rectangle_moved_along_itself_overlaps_by_what_it_is_longer(degrees: int) -> None:
    """4 m long, 1 m further: 3 m of 5 m. Corners lie on the other's sides, up to rounding."""
    turn = math.radians(degrees)
    flat = np.array([[3.0, 20, 2, 4, turn]])
    further = np.array([[3 + math.sin(turn), 20 + math.cos(turn), 2, 4, turn]])
    assert rotated_iou(flat, further) == pytest.approx([0.6])
    assert rotated_iou(flat, flat) == pytest.approx([1.0])


RECTANGLES = st.tuples(
    *[st.floats(-3, 3)] * 2, *[st.floats(0.5, 6)] * 2, st.floats(-math.pi, math.pi)
)


def upright(x: float, z: float, length: float, width: float, yaw: float) -> Boxes3D:
    """A box 1 m high, seen from above as the rectangle."""
    turn = quaternion_from_matrix(optical_from_level_box(np.array([yaw])))
    sizes, center = np.array([[length, width, 1.0]]), np.array([[x, 0, z]])
    one = np.ones(1, np.float32)
    return Boxes3D(np.zeros(1, np.int64), one, center, sizes, turn, DRIVE_BOXES)


@given(RECTANGLES, RECTANGLES)
def test_overlaps_are_those_of_boxes_of_equal_height(a: tuple, b: tuple) -> None:
    """iou_3d cuts polygons instead; both ways round."""
    expected = iou_3d(upright(*a), upright(*b))[0]
    assert rotated_iou(np.array([a]), np.array([b])) == pytest.approx(expected, abs=1e-6)
    assert rotated_iou(np.array([b]), np.array([a])) == pytest.approx(expected, abs=1e-6)


def test_no_rectangles_have_no_overlap() -> None:
    none = np.zeros((0, 5))
    assert rotated_iou(none, none).shape == (0,)
    assert fcos3d.greedy_nms(none, 0.3).tolist() == []


def test_a_score_at_the_threshold_is_left_out() -> None:
    flat = np.array([[0.0, 10, 2, 4, 0], [20, 10, 2, 4, 0]])
    class_ids, kept = suppress_by_class(flat, np.array([[0.25, 0.5]], np.float32), OPTIONS)
    assert (class_ids.tolist(), kept.tolist()) == ([0], [1])


def test_only_boxes_of_one_class_suppress_each_other() -> None:
    """2 x 4 m, 1 m further (0.6 in common), and 3 m further (1 of 7 in common: stays)."""
    flat = np.array([[0.0, 10, 2, 4, 0], [0, 11, 2, 4, 0], [0, 13, 2, 4, 0]])
    scores = np.array([[0.5, 0.9, 0], [0, 0.6, 0.3]], np.float32)
    class_ids, kept = suppress_by_class(flat, scores, OPTIONS)
    assert (class_ids.tolist(), kept.tolist()) == ([0, 1], [1, 1])
    scores = np.array([[0.5, 0, 0.9]], np.float32)
    assert suppress_by_class(flat, scores, OPTIONS)[1].tolist() == [2, 0]


def test_the_best_boxes_of_all_classes_stay() -> None:
    flat = np.array([[10.0 * k, 10, 2, 4, 0] for k in range(4)])
    scores = np.array([[0.3, 0.5, 0, 0], [0, 0, 0.9, 0.4]], np.float32)
    class_ids, kept = suppress_by_class(flat, scores, OPTIONS)
    assert (class_ids.tolist(), kept.tolist()) == ([1, 0, 1], [2, 1, 3])
    scores[0, 0] = 0
    class_ids, kept = suppress_by_class(flat, scores, OPTIONS)
    assert (class_ids.tolist(), kept.tolist()) == ([0, 1, 1], [1, 2, 3])  # by class, none is cut


def test_cells_of_a_level() -> None:
    assert LevelGrid(2, 2, 8.0).points_px().tolist() == [[4, 4], [12, 4], [4, 12], [12, 12]]
    # As published: 4.5 // 2 = 2.
    assert LevelGrid(1, 2, 4.5).points_px().tolist() == [[2, 2], [6.5, 2]]


def test_a_thousand_cells_of_a_level_are_looked_at() -> None:
    levels = (LevelGrid(1, 1200, 8.0), LevelGrid(1, 3, 16.0))
    scores = np.arange(1203, dtype=np.float32)
    found = fcos3d.best_cells(scores, levels)
    assert found.tolist() == [*range(1199, 199, -1), 1202, 1201, 1200]


def raw(cell: int, angles: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """One box: 2 px right and 1 px below its centre lies the cell."""
    scores, code = np.zeros((2, 5), np.float32), np.zeros((13, 5), np.float32)
    scores[1, cell] = 0.75
    code[:, cell] = [2, 1, 10, 4, 2, 1.5, *angles, 3, 4, 5, 6]
    return {'boxes3d_scores': scores, 'boxes3d_code': code}


def test_a_cell_becomes_a_published_box() -> None:
    outputs = raw(3, (math.pi, 0, 0.3))
    levels = (LevelGrid(2, 2, 8.0), LevelGrid(1, 1, 16.0))
    options = Fcos3dOptions(DRIVE_BOXES[:2], levels, 32.0, 0.25, 3)
    found = fcos3d.published_boxes(*outputs.values(), options, LETTERBOX, FRAME)
    assert (found.class_ids.tolist(), found.scores.tolist()) == ([1], [0.75])
    np.testing.assert_allclose(found.uv_px, [[10, 11]])  # the cell is (12, 12)
    np.testing.assert_allclose(found.centers_m, [[-5.5 / 3.2, 3.5 / 3.2, 10]])
    np.testing.assert_allclose(found.sizes_m, [[4, 2, 1.5]])
    np.testing.assert_allclose(found.angles_rad, [[math.pi, 0, 0.3]], rtol=1e-6)
    np.testing.assert_allclose(found.bbox2d_px, [[9, 8, 17, 16]])  # 18 is below the image


def test_the_decoder_reads_its_options() -> None:
    decode = fcos3d.decoder(JSON)
    found = decode(
        raw(4, (math.pi, 0, math.pi)), LETTERBOX, FRAME
    )  # the cell of level 2, at (8, 8)
    np.testing.assert_allclose(found.centers_m, [[-9.5 / 3.2, -0.5 / 3.2, 10]], rtol=1e-6)
    assert [c.name for c in found.classes] == [c.name for c in DRIVE_BOXES[:2]]
    with pytest.raises(ValueError, match='not "fcos3d"'):
        fcos3d.decoder({**JSON, 'code': 'center_alpha'})


@pytest.mark.parametrize(
    ('turn', 'forward'),
    [
        (math.pi, (0, 0, 1)),
        (0.0, (0, 0, -1)),
        (math.pi / 2, (-1, 0, 0)),
        (-math.pi / 2, (1, 0, 0)),
    ],
)
def test_where_boxes_of_a_published_angle_head(turn: float, forward: tuple[int, int, int]) -> None:
    found = fcos3d.quaternions_from_angles(np.array([[math.pi, 0, turn]]))
    [rotation] = matrix_from_quaternion(found)
    np.testing.assert_allclose(rotation[:, 0], forward, atol=1e-12)
    np.testing.assert_allclose(rotation[:, 2], [0, -1, 0], atol=1e-12)  # stands upright


ANGLE = st.floats(-math.pi, math.pi)


@given(ANGLE, st.floats(-1.5, 1.5), ANGLE)
def test_angles_survive_quaternions(first: float, second: float, third: float) -> None:
    angles = np.array([[first, second, third]])
    found = fcos3d.angles_from_quaternions(fcos3d.quaternions_from_angles(angles))
    gap = (found - angles + math.pi) % (2 * math.pi) - math.pi
    np.testing.assert_allclose(gap, np.zeros((1, 3)), atol=1e-6)


def test_wrong_bins_are_repaired_and_the_tilt_stays() -> None:
    found = fcos3d.snapped(np.array([[0.1, math.pi - 0.2, 5.0], [-math.pi + 0.3, 0.4, -5.0]]))
    np.testing.assert_allclose(found, [[math.pi + 0.1, -0.2, 5], [math.pi + 0.3, 0.4, -5]])


def test_boxes_come_best_first() -> None:
    outputs = raw(0, (math.pi, 0, 0))
    outputs['boxes3d_scores'][0, 2] = 0.5
    outputs['boxes3d_code'][:, 2] = outputs['boxes3d_code'][:, 0]
    found = fcos3d.decoder(JSON)(outputs, LETTERBOX, FRAME)
    assert (found.class_ids.tolist(), found.scores.tolist()) == ([1, 0], [0.75, 0.5])


def test_an_overlap_at_the_limit_is_allowed() -> None:
    flat = np.array([[0.0, 10, 2, 4, 0.3], [0.5, 11, 2, 4, 0.8]])
    [overlap] = rotated_iou(flat[:1], flat[1:])
    assert 0.1 < overlap < 0.9
    assert fcos3d.greedy_nms(flat, overlap).tolist() == [0, 1]
    assert fcos3d.greedy_nms(flat, np.nextafter(overlap, 0)).tolist() == [0]


def test_another_focal_length_moves_boxes_away() -> None:
    """Twice the focal length of training: 10 m become 20 m."""
    decode = fcos3d.decoder({**JSON, 'focal_px': 16.0})
    [center_m] = decode(raw(4, (math.pi, 0, 0)), LETTERBOX, FRAME).centers_m
    np.testing.assert_allclose(center_m, [-9.5 / 1.6, -0.5 / 1.6, 20], rtol=1e-6)
