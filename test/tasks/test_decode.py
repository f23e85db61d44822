import math

import numpy as np
import pytest
from conftest import FOCAL_PX, tiny_spec

from mtscene_ros.camera.geometry import matrix_from_quaternion, yaw_of_box
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.tasks import TASKS, boxes3d, depth
from mtscene_ros.tasks.boxes3d import best_cells, suppress_duplicates
from mtscene_ros.types import CameraFrame, Intrinsics

OPTIONS = tiny_spec().tasks


def camera(fx_px: float = 64.0, width: int = 64, height: int = 32) -> CameraFrame:
    intrinsics = Intrinsics(width, height, fx_px, fx_px, (width - 1) / 2, (height - 1) / 2)
    return CameraFrame(np.zeros((height, width, 3), np.uint8), intrinsics, 0, 'optical')


LETTERBOX = Letterbox(64, 32, 32, 16)


def test_depth_at_another_focal_length_scales() -> None:
    decode = depth.decoder(OPTIONS['depth'])
    raw = {'depth': np.full((16, 32), 20.0, np.float32)}
    same = decode(
        raw, LETTERBOX, camera(fx_px=2 * FOCAL_PX)
    ).depth_m  # halved by the letterbox: FOCAL_PX
    assert (same == 20).all()
    assert (decode(raw, LETTERBOX, camera(fx_px=6 * FOCAL_PX)).depth_m == 60).all()


def test_depth_out_of_range_is_infinite() -> None:
    raw = {'depth': np.full((16, 32), 100.0, np.float32)}
    raw['depth'][8:] = 0.4
    depth_m = depth.decoder(OPTIONS['depth'])(raw, LETTERBOX, camera()).depth_m
    assert (depth_m[:14] == np.inf).all()
    assert (depth_m[18:] == -np.inf).all()


def test_labels_at_camera_size() -> None:
    labels = np.repeat(np.arange(16, dtype=np.uint8)[:, None], 32, 1)
    raw = {'semantic_labels': labels, 'semantic_confidence': labels + 100}
    result = TASKS['semantic'].decoder(OPTIONS['semantic'])(raw, LETTERBOX, camera())
    assert result.labels.shape == (32, 64)
    assert result.labels[:, 0].tolist() == [i // 2 for i in range(32)]
    assert (result.confidence == result.labels + 100).all()


def raw_box(row: int, column: int, depth_m: float, alpha: float) -> dict[str, np.ndarray]:
    scores, code = np.zeros((7, 4, 8), np.float32), np.zeros((8, 4, 8), np.float32)
    scores[2, row, column] = 0.9
    code[:, row, column] = [0.5, -0.5, depth_m, 12, 2.5, 3, math.cos(alpha), math.sin(alpha)]
    return {'boxes3d_scores': scores, 'boxes3d_code': code}


def test_labels_of_many_classes_keep_their_numbers() -> None:
    classes = [{'id': k, 'name': str(k), 'color_rgb': [0, 0, 0]} for k in range(300)]
    labels = np.full((16, 32), 299, np.int32)
    raw = {'semantic_labels': labels, 'semantic_confidence': np.zeros((16, 32), np.uint8)}
    result = TASKS['semantic'].decoder({'classes': classes})(raw, LETTERBOX, camera())
    assert result.labels.dtype == np.uint16
    assert result.labels.shape == (32, 64)
    assert (result.labels == 299).all()


def test_box_is_unprojected_with_the_cameras_own_intrinsics() -> None:
    boxes = boxes3d.decoder(OPTIONS['boxes3d'])(raw_box(2, 5, 10, 0.3), LETTERBOX, camera())
    # Cell (2, 5): centre at network pixel (21.5, 9.5), moved to (22, 9), camera (44.5, 18.5).
    assert boxes.centers_m[0] == pytest.approx([10 * 13 / 64, 10 * 3 / 64, 10])
    assert boxes.sizes_m[0] == pytest.approx([12, 2.5, 3])
    yaw = yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw))[0]
    assert yaw == pytest.approx(0.3 + math.atan2(13, 64), abs=1e-6)
    assert boxes.classes[boxes.class_ids[0]].name == 'bus'


def test_nonsense_codes_are_left_out() -> None:
    decode = boxes3d.decoder(OPTIONS['boxes3d'])
    for bad in (np.nan, -1.0, 101.0, np.inf):
        assert len(decode(raw_box(2, 5, bad, 0), LETTERBOX, camera())) == 0


def test_best_cells_are_sorted_and_bounded() -> None:
    scores = np.zeros((2, 2, 2), np.float32)
    scores[0, 0, 1], scores[1, 1, 0], scores[0, 1, 1] = 0.5, 0.9, 0.2
    class_ids, rows, columns = best_cells(scores, 0.3, 10)
    assert list(zip(class_ids, rows, columns, strict=True)) == [(1, 1, 0), (0, 0, 1)]
    assert len(best_cells(scores, 0.0, 1)[0]) == 1


def test_second_box_in_one_place_is_a_duplicate() -> None:
    centers = np.array([[0, 0, 10], [0.5, 1, 10], [2, 0, 10.0]])
    sizes = np.tile([4.0, 2.0, 1.5], (3, 1))
    assert suppress_duplicates(centers, sizes).tolist() == [0, 2]
    assert suppress_duplicates(np.zeros((0, 3)), np.zeros((0, 3))).tolist() == []


@pytest.mark.parametrize(('task', 'key', 'bad'), [
    ('depth', 'convention', 'inverse'), ('depth', 'focal_px', 0), ('depth', 'min_m', 200),
    ('boxes3d', 'code', 'unknown'), ('semantic', 'classes', []),
])  # fmt: skip
def test_unusable_options_are_refused(task: str, key: str, bad: object) -> None:
    with pytest.raises(ValueError, match=r'.+'):
        TASKS[task].decoder({**OPTIONS[task], key: bad})


def test_a_score_at_the_threshold_counts() -> None:
    scores = np.zeros((1, 1, 2), np.float32)
    scores[0, 0, 0] = 0.25
    assert len(best_cells(scores, 0.25, 10)[0]) == 1


def test_the_wider_of_two_boxes_says_how_near_is_a_duplicate() -> None:
    centers = np.array([[0.0, 0, 10], [1, 0, 10]])  # 1 m apart; half of the truck's width is 1.5
    sizes = np.array([[8, 3, 3], [0.5, 0.5, 2]])
    assert suppress_duplicates(centers, sizes).tolist() == [0]
    assert suppress_duplicates(centers, sizes[::-1]).tolist() == [0]


@pytest.mark.parametrize('slot', [0, 1, 3, 4, 5, 6, 7])
def test_a_code_that_is_no_number_is_left_out(slot: int) -> None:
    raw = raw_box(2, 5, 10, 0)
    raw['boxes3d_code'][slot, 2, 5] = math.nan
    assert len(boxes3d.decoder(OPTIONS['boxes3d'])(raw, LETTERBOX, camera())) == 0


def test_a_negative_length_becomes_none() -> None:
    raw = raw_box(2, 5, 10, 0)
    raw['boxes3d_code'][3, 2, 5] = -1
    boxes = boxes3d.decoder(OPTIONS['boxes3d'])(raw, LETTERBOX, camera())
    assert boxes.sizes_m.tolist() == [[0, 2.5, 3]]


def test_the_range_of_depth_scales_with_the_focal_length() -> None:
    """Three times the focal length: 0.4 becomes 1.2 m, and the range 1.5 to 300 m."""
    decode = depth.decoder(OPTIONS['depth'])
    near = decode({'depth': np.full((16, 32), 0.4, np.float32)}, LETTERBOX, camera(6 * FOCAL_PX))
    assert (near.depth_m == -np.inf).all()
    far = decode({'depth': np.full((16, 32), 99, np.float32)}, LETTERBOX, camera(6 * FOCAL_PX))
    assert (far.depth_m == 297).all()


@pytest.mark.parametrize(('count', 'dtype'), [(255, np.uint8), (256, np.uint16)])
def test_255_classes_fit_into_a_byte(count: int, dtype: type) -> None:
    classes = [{'id': k, 'name': str(k), 'color_rgb': [0, 0, 0]} for k in range(count)]
    zero = np.zeros((16, 32), np.uint8)
    raw = {'semantic_labels': zero, 'semantic_confidence': zero}
    result = TASKS['semantic'].decoder({'classes': classes})(raw, LETTERBOX, camera())
    assert result.labels.dtype == dtype


def test_which_tasks_need_a_calibrated_camera() -> None:
    assert {name for name, task in TASKS.items() if task.NEEDS_INTRINSICS} == {'depth', 'boxes3d'}


@pytest.mark.parametrize(('count', 'fits'), [(65535, True), (65536, False)])
def test_65535_classes_fit_into_16_bits(count: int, fits: bool) -> None:
    options = {'classes': [{'id': k, 'name': '', 'color_rgb': (0, 0, 0)} for k in range(count)]}
    if fits:
        TASKS['semantic'].decoder(options)
    else:
        with pytest.raises(ValueError, match='65536 classes do not fit'):
            TASKS['semantic'].decoder(options)


@pytest.mark.parametrize(
    ('focal_px', 'min_m', 'max_m', 'fits'),
    [
        (1.0, 0.0, 0.1, True),
        (0.0, 0.0, 1.0, False),
        (-1.0, 0.0, 1.0, False),
        (math.inf, 0.0, 1.0, False),
        (1.0, -0.1, 1.0, False),
        (1.0, 1.0, 1.0, False),
    ],
)
def test_ranges_of_depth(focal_px: float, min_m: float, max_m: float, fits: bool) -> None:
    options = {'convention': 'metric', 'focal_px': focal_px, 'min_m': min_m, 'max_m': max_m}
    if fits:
        depth.decoder(options)
    else:
        with pytest.raises(ValueError, match=r'focal_px .*, range'):
            depth.decoder(options)


def test_depth_at_the_ends_of_its_range() -> None:
    """The nearest is still a depth, the farthest is not."""
    raw = np.full((16, 32), 0.5, np.float32)
    found = depth.decoder(OPTIONS['depth'])({'depth': raw}, LETTERBOX, camera()).depth_m
    assert (found == 0.5).all()
    raw[:] = np.nextafter(np.float32(100), np.float32(0))
    found = depth.decoder(OPTIONS['depth'])({'depth': raw}, LETTERBOX, camera()).depth_m
    assert np.isfinite(found).all()


def test_depth_is_interpolated() -> None:
    raw = np.tile(np.arange(1, 33, dtype=np.float32), (16, 1))
    found = depth.decoder(OPTIONS['depth'])({'depth': raw}, LETTERBOX, camera()).depth_m
    np.testing.assert_allclose(found[5, 1:-1], np.arange(1, 63) / 2 + 0.75)


@pytest.mark.parametrize(('depth_m', 'count'), [(0.0, 0), (0.01, 1), (100.0, 1), (100.1, 0)])
def test_boxes_at_the_ends_of_the_range(depth_m: float, count: int) -> None:
    found = boxes3d.decoder(OPTIONS['boxes3d'])(raw_box(2, 5, depth_m, 0), LETTERBOX, camera())
    assert len(found) == count


def test_cells_off_the_peaks_are_no_boxes() -> None:
    assert len(best_cells(np.zeros((1, 2, 2), np.float32), 0.0, 10)[0]) == 0
    assert len(best_cells(np.full((1, 2, 2), 0.01, np.float32), 0.0, 3)[0]) == 3


def test_boxes_half_a_width_apart_are_two() -> None:
    centers, sizes = np.array([[0.0, 0, 10], [0, 0, 11]]), np.tile([4.0, 2.0, 1.5], (2, 1))
    assert suppress_duplicates(centers, sizes).tolist() == [0, 1]
    assert suppress_duplicates(centers * 0.999, sizes).tolist() == [0]


def test_boxes_at_another_focal_length_are_farther_away() -> None:
    """Three times the focal length: 10 m become 30 m."""
    frame = camera(fx_px=6 * FOCAL_PX)
    boxes = boxes3d.decoder(OPTIONS['boxes3d'])(raw_box(2, 5, 10, 0), LETTERBOX, frame)
    assert boxes.centers_m[0] == pytest.approx([30 * 13 / 192, 30 * 3 / 192, 30])


@pytest.mark.parametrize(('depth_m', 'found'), [(100.0, math.inf), (0.4, -math.inf)])
def test_a_map_that_lies_wholly_out_of_range(depth_m: float, found: float) -> None:
    raw = {'depth': np.full((16, 32), depth_m, np.float32)}
    assert (depth.decoder(OPTIONS['depth'])(raw, LETTERBOX, camera()).depth_m == found).all()
