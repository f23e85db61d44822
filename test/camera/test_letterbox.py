import cv2
import numpy as np
import pytest

from mtscene_ros.camera.letterbox import PAD_RGB, Letterbox


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
