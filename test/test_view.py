import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtscene_ros.view import PAD_RGB, View


def test_wide_image_is_centred_between_bars() -> None:
    view = View(1242, 375, 512, 256)
    assert (view.inner_width_px, view.inner_height_px) == (512, 155)
    assert (view.left_px, view.top_px) == (0, 50)
    out = view.to_network(np.full((375, 1242, 3), 200, np.uint8))
    assert out.shape == (256, 512, 3)
    assert (out[49] == PAD_RGB).all()
    assert (out[50:205] == 200).all()
    assert (out[205] == PAD_RGB).all()


def test_points_go_there_and_back() -> None:
    view = View(100, 50, 50, 50)  # scale 0.5, 12 rows of padding above
    uv_network = view.points_to_network(np.array([[0.5, 0.5], [99.5, 49.5]]))
    np.testing.assert_allclose(uv_network, [[0.0, 12.0], [49.5, 36.5]])
    np.testing.assert_allclose(view.points_to_camera(uv_network), [[0.5, 0.5], [99.5, 49.5]])


def test_labels_come_back_where_they_were() -> None:
    view = View(8, 4, 4, 4)  # scale 0.5: rows 1 and 2 of the network hold the image
    labels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    back = view.to_camera(labels, smooth=False)
    np.testing.assert_array_equal(back[::2, ::2], labels[1:3])
    np.testing.assert_array_equal(back[1::2, 1::2], labels[1:3])


def test_coarse_map_covers_the_input() -> None:
    view = View(8, 8, 8, 8)
    back = view.to_camera(np.array([[1.0, 3.0], [5.0, 7.0]], np.float32), smooth=False)
    assert back[0, 0] == 1
    assert back[3, 4] == 3
    assert back[7, 7] == 7


def test_smooth_map_is_linear_between_cell_centres() -> None:
    view = View(16, 8, 8, 8)  # scale 0.5, rows 2 to 5 of the network hold the image
    ramp = np.tile(np.arange(4, dtype=np.float32), (4, 1))  # a cell is two network pixels wide
    back = view.to_camera(ramp, smooth=True)
    assert back.shape == (8, 16)
    # Cell j has its centre at camera column 4 j + 1.5.
    np.testing.assert_allclose(back[0, 2:14], (np.arange(2, 14) - 1.5) / 4, atol=0.02)
    assert back[0, 0] == 0
    assert back[7, 15] == 3


def test_stretched_images_fill_the_input() -> None:
    view = View(100, 50, 50, 50, stretched=True)
    out = view.to_network(np.full((50, 100, 3), 7, np.uint8))
    assert (out == 7).all()
    uv_network = view.points_to_network(np.array([[0.5, 0.0], [99.5, 49.0]]))
    np.testing.assert_allclose(uv_network, [[0.0, 0.0], [49.5, 49.0]])
    np.testing.assert_allclose(view.points_to_camera(uv_network), [[0.5, 0.0], [99.5, 49.0]])


def test_maps_come_back_at_half_the_size() -> None:
    whole, half = View(16, 8, 16, 8), View(16, 8, 16, 8, output_scale=0.5)
    ramp = np.tile(np.arange(16, dtype=np.float32), (8, 1))
    back = half.to_camera(ramp, smooth=True)
    assert back.shape == (4, 8)
    np.testing.assert_allclose(back[0], np.arange(8) * 2 + 0.5)  # between two camera pixels
    np.testing.assert_array_equal(whole.to_camera(ramp, smooth=True), ramp)
    assert half.to_camera(ramp.astype(np.uint8), smooth=False).shape == (4, 8)
    uv = np.array([[3.0, 5.0]])
    np.testing.assert_array_equal(half.points_to_camera(uv), whole.points_to_camera(uv))


def test_a_map_of_whole_cells_is_interpolated_exactly_and_without_the_bars() -> None:
    view = View(32, 12, 8, 8)  # scale 0.25: rows 2 to 4 of the network hold the image
    rows = np.array([[9e9], [9e9], [1], [2], [4], [9e9], [9e9], [9e9]], np.float32)
    back = view.to_camera(np.tile(rows, (1, 8)), smooth=True)
    # Camera row i lies at row (i + 0.5) / 4 - 0.5 of the three; beyond them the edge holds.
    expected = np.interp((np.arange(12) + 0.5) / 4 - 0.5, [0, 1, 2], [1, 2, 4])
    np.testing.assert_allclose(back, np.tile(expected[:, None], (1, 32)), rtol=1e-6)


@pytest.mark.parametrize('left_px', [28, 29])
def test_maps_whose_cells_the_image_cuts_are_interpolated_exactly(left_px: int) -> None:
    """455 of 512 columns of the network, in cells of two: a half at the end, or at both."""
    view = View(1820, 1024, 512 if left_px == 28 else 514, 256)
    assert (view.left_px, view.inner_width_px) == (left_px, 455)
    row = np.random.default_rng(0).random(view.network_width_px // 2, np.float32)
    back = view.to_camera(np.tile(row, (128, 1)), smooth=True)[700]
    cells = (left_px + (np.arange(1820) + 0.5) / 4) / 2 - 0.5
    expected = np.interp(cells, np.arange(len(row)), row)
    np.testing.assert_allclose(back[8:-8], expected[8:-8], atol=1e-5 if left_px == 28 else 0.02)


def test_large_images_become_means_of_their_areas() -> None:
    """A fifth of a smooth picture: halved, then 2.5."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    rgb = cv2.resize(coarse, (160, 80), interpolation=cv2.INTER_CUBIC)
    out = View(160, 80, 32, 16).to_network(rgb)
    expected = rgb.reshape(16, 5, 32, 5, 3).mean((1, 3))
    assert np.abs(out - expected).mean() < 1
    assert np.abs(out - expected).max() < 10


SIZES = st.integers(1, 200)


@given(SIZES, SIZES, SIZES, SIZES, st.booleans())
def test_points_survive_the_letterbox(
    width: int, height: int, network_width: int, network_height: int, stretched: bool
) -> None:
    view = View(width, height, network_width, network_height, stretched)
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
    view = View(width, height, size, size)
    labels = np.arange(width * height, dtype=np.int32).reshape(height, width)
    network = np.full((size, size), -1, np.int32)
    top, left = view.top_px, view.left_px
    enlarged = labels.repeat(times, 0).repeat(times, 1)
    network[top : top + height * times, left : left + width * times] = enlarged
    np.testing.assert_array_equal(view.to_camera(network, smooth=False), labels)
