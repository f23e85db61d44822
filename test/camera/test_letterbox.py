import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtscene_ros.camera.letterbox import PAD_RGB, Letterbox, halved


def test_wide_image_is_centred_between_bars() -> None:
    letterbox = Letterbox(1242, 375, 512, 256)
    assert (letterbox.inner_width_px, letterbox.inner_height_px) == (512, 155)
    assert (letterbox.left_px, letterbox.top_px) == (0, 50)
    out = letterbox.to_network(np.full((375, 1242, 3), 200, np.uint8))
    assert out.shape == (256, 512, 3)
    assert (out[49] == PAD_RGB).all()
    assert (out[50:205] == 200).all()
    assert (out[205] == PAD_RGB).all()


def test_points_go_there_and_back() -> None:
    letterbox = Letterbox(100, 50, 50, 50)  # scale 0.5, 12 rows of padding above
    uv_network = letterbox.points_to_network(np.array([[0.5, 0.5], [99.5, 49.5]]))
    np.testing.assert_allclose(uv_network, [[0.0, 12.0], [49.5, 36.5]])
    np.testing.assert_allclose(letterbox.points_to_camera(uv_network), [[0.5, 0.5], [99.5, 49.5]])


def test_labels_come_back_where_they_were() -> None:
    letterbox = Letterbox(8, 4, 4, 4)  # scale 0.5: rows 1 and 2 of the network hold the image
    labels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    back = letterbox.to_camera(labels, smooth=False)
    np.testing.assert_array_equal(back[::2, ::2], labels[1:3])
    np.testing.assert_array_equal(back[1::2, 1::2], labels[1:3])


def test_coarse_map_covers_the_input() -> None:
    letterbox = Letterbox(8, 8, 8, 8)
    back = letterbox.to_camera(np.array([[1.0, 3.0], [5.0, 7.0]], np.float32), smooth=False)
    assert back[0, 0] == 1
    assert back[3, 4] == 3
    assert back[7, 7] == 7


def test_smooth_map_is_linear_between_cell_centres() -> None:
    letterbox = Letterbox(16, 8, 8, 8)  # scale 0.5, rows 2 to 5 of the network hold the image
    ramp = np.tile(np.arange(4, dtype=np.float32), (4, 1))  # a cell is two network pixels wide
    back = letterbox.to_camera(ramp, smooth=True)
    assert back.shape == (8, 16)
    # Cell j has its centre at camera column 4 j + 1.5.
    np.testing.assert_allclose(back[0, 2:14], (np.arange(2, 14) - 1.5) / 4, atol=0.02)
    assert back[0, 0] == 0
    assert back[7, 15] == 3


def test_stretched_images_fill_the_input() -> None:
    letterbox = Letterbox(100, 50, 50, 50, stretched=True)
    out = letterbox.to_network(np.full((50, 100, 3), 7, np.uint8))
    assert (out == 7).all()
    uv_network = letterbox.points_to_network(np.array([[0.5, 0.0], [99.5, 49.0]]))
    np.testing.assert_allclose(uv_network, [[0.0, 0.0], [49.5, 49.0]])
    np.testing.assert_allclose(letterbox.points_to_camera(uv_network), [[0.5, 0.0], [99.5, 49.0]])


def test_maps_come_back_at_half_the_size() -> None:
    whole, half = Letterbox(16, 8, 16, 8), Letterbox(16, 8, 16, 8, output_scale=0.5)
    ramp = np.tile(np.arange(16, dtype=np.float32), (8, 1))
    back = half.to_camera(ramp, smooth=True)
    assert back.shape == (4, 8)
    np.testing.assert_allclose(back[0], np.arange(8) * 2 + 0.5)  # between two camera pixels
    np.testing.assert_array_equal(whole.to_camera(ramp, smooth=True), ramp)
    assert half.to_camera(ramp.astype(np.uint8), smooth=False).shape == (4, 8)
    uv = np.array([[3.0, 5.0]])
    np.testing.assert_array_equal(half.points_to_camera(uv), whole.points_to_camera(uv))


def test_a_map_of_whole_cells_is_interpolated_exactly_and_without_the_bars() -> None:
    letterbox = Letterbox(32, 12, 8, 8)  # scale 0.25: rows 2 to 4 of the network hold the image
    rows = np.array([[9e9], [9e9], [1], [2], [4], [9e9], [9e9], [9e9]], np.float32)
    back = letterbox.to_camera(np.tile(rows, (1, 8)), smooth=True)
    # Camera row i lies at row (i + 0.5) / 4 - 0.5 of the three; beyond them the edge holds.
    expected = np.interp((np.arange(12) + 0.5) / 4 - 0.5, [0, 1, 2], [1, 2, 4])
    np.testing.assert_allclose(back, np.tile(expected[:, None], (1, 32)), rtol=1e-6)


@pytest.mark.parametrize('left_px', [28, 29])
def test_maps_whose_cells_the_image_cuts_are_interpolated_exactly(left_px: int) -> None:
    """455 of 512 columns of the network, in cells of two: a half at the end, or at both."""
    letterbox = Letterbox(1820, 1024, 512 if left_px == 28 else 514, 256)
    assert (letterbox.left_px, letterbox.inner_width_px) == (left_px, 455)
    row = np.random.default_rng(0).random(letterbox.network_width_px // 2, np.float32)
    back = letterbox.to_camera(np.tile(row, (128, 1)), smooth=True)[700]
    cells = (left_px + (np.arange(1820) + 0.5) / 4) / 2 - 0.5
    expected = np.interp(cells, np.arange(len(row)), row)
    np.testing.assert_allclose(back[8:-8], expected[8:-8], atol=1e-5 if left_px == 28 else 0.02)


def test_large_images_become_means_of_their_areas() -> None:
    """A fifth of a smooth picture: halved, then 2.5."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    rgb = cv2.resize(coarse, (160, 80), interpolation=cv2.INTER_CUBIC)
    out = Letterbox(160, 80, 32, 16).to_network(rgb)
    expected = rgb.reshape(16, 5, 32, 5, 3).mean((1, 3))
    assert np.abs(out - expected).mean() < 1
    assert np.abs(out - expected).max() < 10


SIZES = st.integers(1, 200)


@given(SIZES, SIZES, SIZES, SIZES, st.booleans())
def test_points_survive_the_letterbox(
    width: int, height: int, network_width: int, network_height: int, stretched: bool
) -> None:
    view = Letterbox(width, height, network_width, network_height, stretched)
    edges = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5], [width / 3, height / 7]])
    there = view.points_to_network(edges)
    np.testing.assert_allclose(view.points_to_camera(there), edges, atol=1e-9)
    top_left = np.array([view.left_px, view.top_px]) - 0.5
    inner = (view.inner_width_px, view.inner_height_px)
    np.testing.assert_allclose(there[:2], [top_left, top_left + inner], atol=1e-9)
    assert (inner[0] == network_width or inner[1] == network_height) or not stretched
    assert (top_left >= -0.5).all()
    assert 0 <= network_width - inner[0] - 2 * view.left_px <= 1  # centred


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_labels_survive_the_letterbox_at_whole_scales(width: int, height: int, times: int) -> None:
    """The camera's picture enlarged: each pixel becomes times x times, and comes back."""
    size = max(width, height) * times
    view = Letterbox(width, height, size, size)
    labels = np.arange(width * height, dtype=np.int32).reshape(height, width)
    network = np.full((size, size), -1, np.int32)
    top, left = view.top_px, view.left_px
    enlarged = labels.repeat(times, 0).repeat(times, 1)
    network[top : top + height * times, left : left + width * times] = enlarged
    np.testing.assert_array_equal(view.to_camera(network, smooth=False), labels)


def test_the_bars_have_imagenets_mean_colour() -> None:
    out = Letterbox(4, 2, 4, 4).to_network(np.zeros((2, 4, 3), np.uint8))
    assert out[:, 0].tolist() == [[124, 116, 104], [0, 0, 0], [0, 0, 0], [124, 116, 104]]
    tall = Letterbox(2, 4, 4, 4).to_network(np.zeros((4, 2, 3), np.uint8))
    assert tall[0].tolist() == [[124, 116, 104], [0, 0, 0], [0, 0, 0], [124, 116, 104]]


def test_nothing_becomes_smaller_than_a_pixel() -> None:
    wide, tall = Letterbox(1000, 1, 10, 10), Letterbox(1, 1000, 10, 10, output_scale=0.01)
    assert (wide.inner_width_px, wide.inner_height_px) == (10, 1)
    assert (tall.inner_width_px, tall.inner_height_px) == (1, 10)
    assert (tall.output_width_px, tall.output_height_px) == (1, 10)
    assert Letterbox(1000, 1, 10, 10, output_scale=0.01).output_height_px == 1


def test_a_third_of_an_image_is_the_mean_of_its_pixels() -> None:
    """Not the middle one of three, which bilinear interpolation would take."""
    rgb = np.zeros((3, 3, 3), np.uint8)
    rgb[0, 0] = 90
    assert Letterbox(3, 3, 1, 1).to_network(rgb).tolist() == [[[10, 10, 10]]]


def test_an_enlarged_image_is_interpolated() -> None:
    rgb = np.zeros((1, 2, 3), np.uint8)
    rgb[:, 1] = 100
    assert Letterbox(2, 1, 4, 2).to_network(rgb)[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize(
    ('width', 'height', 'size', 'found'),
    [
        (16, 8, (4, 2), (8, 4)),  # four times: halved once
        (16, 8, (5, 2), (16, 8)),
        (16, 8, (4, 3), (16, 8)),
        (32, 16, (4, 2), (8, 4)),
        (34, 16, (4, 2), (17, 8)),  # 17 is odd
        (16, 9, (1, 1), (16, 9)),
    ],
)
def test_halved_as_often_as_it_stays_above_twice(
    width: int, height: int, size: tuple[int, int], found: tuple[int, int]
) -> None:
    rgb = halved(np.full((height, width, 3), 9, np.uint8), size)
    assert rgb.shape == (found[1], found[0], 3)
    assert (rgb == 9).all()


def test_points_of_an_image_that_is_padded_on_every_side_of_one_axis() -> None:
    """Scale 1/2, 3 px of bars on the left: the first pixel's outer edge is at 3 - 1/2."""
    view = Letterbox(8, 20, 10, 10)
    assert (view.left_px, view.top_px) == (3, 0)
    found = view.points_to_network(np.array([[-0.5, -0.5], [7.5, 19.5]]))
    np.testing.assert_allclose(found, [[2.5, -0.5], [6.5, 9.5]])


def test_nearest_cells_of_a_finer_map() -> None:
    """A map of two cells per network pixel, one pixel of bar: the image begins at row 2."""
    view = Letterbox(4, 2, 4, 4)
    cells = np.arange(64).reshape(8, 8)
    found = view.to_camera(cells, smooth=False)
    np.testing.assert_array_equal(found, cells[3:7:2, 1::2])


def test_at_half_the_size_an_image_is_still_interpolated() -> None:
    """Five rows become two: at 0.75 and 3.25, which the row in the middle does not reach."""
    rgb = np.zeros((5, 4, 3), np.uint8)
    rgb[2] = 100
    assert Letterbox(4, 5, 2, 10).to_network(rgb)[4:6].max() == 0


@pytest.mark.parametrize(('width', 'height'), [(1920, 1080), (640, 480), (97, 333)])
@pytest.mark.parametrize('cells', [(0, 0), (3, 5), (30, 31), (0, 31)])
def test_camera_rows_hold_all_that_a_network_row_reaches(
    width: int, height: int, cells: tuple[int, int]
) -> None:
    letterbox = Letterbox(width, height, 128, 64)
    network_map = np.zeros((32, 64), np.float32)
    network_map[cells[0] : cells[1] + 1] = 1
    rows = letterbox.camera_rows(*cells, 32)
    outside = letterbox.to_camera(network_map, smooth=True)
    assert rows.stop - rows.start < height / 32 * (cells[1] - cells[0] + 4) + 5
    outside[rows] = 0
    assert not outside.any()
