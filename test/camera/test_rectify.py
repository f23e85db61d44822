"""Points seen through a lens land where a pinhole camera would have seen them."""

import cv2
import numpy as np
import pytest

from mtscene_ros.camera.rectify import Distortion, DistortionError, Rectifier
from mtscene_ros.terminal import plural
from mtscene_ros.types import Intrinsics

CAMERA = Intrinsics(320, 240, 200.0, 205.0, 158.0, 122.0)
MATRIX = np.array([[200.0, 0, 158], [0, 205, 122], [0, 0, 1]])
LENSES = {
    'plumb_bob': (-0.3, 0.1, 0.001, -0.002, 0.0),
    'rational_polynomial': (0.4, -0.1, 0.001, 0.0005, 0.02, 0.7, -0.05, 0.04),
    'equidistant': (-0.02, 0.01, -0.003, 0.0005),
    'thin_prism': (-0.1, 0.02, 0.001, 0.0, 0.0, 0.1, 0.0, 0.0, 0.002, 0.001, -0.001, 0.0005),
}
BENT, RATIONAL = (-0.3, 0.1, 0.001, -0.002, 0.05), LENSES['rational_polynomial']
POINTS = np.array([[[-0.5, -0.3, 1.0]], [[0.0, 0.0, 1.0]], [[0.4, 0.35, 1.0]], [[0.3, -0.4, 1.0]]])


def seen_through(model: str) -> np.ndarray:
    """(N, 2) pixels by the lens's own equations."""
    coefficients, zero = np.array(LENSES[model]), np.zeros(3)
    project = cv2.fisheye.projectPoints if model == 'equidistant' else cv2.projectPoints
    return np.asarray(project(POINTS, zero, zero, MATRIX, coefficients)[0]).reshape(-1, 2)


@pytest.mark.parametrize('model', LENSES)
def test_blobs_move_to_where_the_pinhole_sees_them(model: str) -> None:
    v, u = np.mgrid[0:240, 0:320]
    rectifier = Rectifier(CAMERA, Distortion(model, LENSES[model]))
    for point, (u0, v0) in zip(POINTS, seen_through(model), strict=True):
        blob = 250 * np.exp(-((u - u0) ** 2 + (v - v0) ** 2) / 18)
        image = np.repeat(blob[..., None], 3, 2).astype(np.uint8)
        found = rectifier(image)[..., 0].astype(float)
        center = np.array([(found * u).sum(), (found * v).sum()]) / found.sum()
        expected = (MATRIX @ point[0])[:2]
        np.testing.assert_allclose(center, expected, atol=0.3)


def test_an_unknown_model_is_one_sentence() -> None:
    with pytest.raises(DistortionError, match="distortion_model 'fov' with 1 coefficient;"):
        Rectifier(CAMERA, Distortion('fov', (0.9,)))


def test_equidistant_by_hand() -> None:
    """A ray at 45 degrees: r = theta (1 + k1 theta^2) = 0.7854 (1 + 0.1 * 0.6169) = 0.8339."""
    camera = Intrinsics(400, 400, 100.0, 100.0, 200.0, 200.0)
    image = np.zeros((400, 400, 3), np.uint8)
    image[195:206, 279:288] = 200  # around 200 + 100 * 0.8339 = 283.39
    found = Rectifier(camera, Distortion('equidistant', (0.1, 0.0, 0.0, 0.0)))(image)
    columns = found[200, :, 0].nonzero()[0]
    assert columns.min() < 300 < columns.max()  # the pinhole sees it at 200 + 100 tan 45


def test_a_region_of_interest_is_undistorted_as_the_part_that_it_is() -> None:
    rng, lens = np.random.default_rng(0), Distortion('plumb_bob', LENSES['plumb_bob'])
    coarse = rng.integers(0, 256, (24, 32, 3), np.uint8)
    image = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_LINEAR)
    whole = Rectifier(CAMERA, lens)(image)
    part = Intrinsics(200, 160, 200.0, 205.0, 158.0 - 60, 122.0 - 40)
    found = Rectifier(part, lens)(image[40:200, 60:260])
    inner = np.s_[20:-20, 20:-20]
    np.testing.assert_allclose(found[inner], whole[40:200, 60:260][inner], atol=1)


def test_no_distortion_is_known_as_such() -> None:
    assert Distortion('plumb_bob', (0.0,) * 5).is_none
    assert Distortion('', ()).is_none
    assert not Distortion('plumb_bob', (0.0, 0.0, 0.0, 0.0, 0.1)).is_none


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_coefficients_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(DistortionError, match='are not all numbers'):
        Rectifier(CAMERA, Distortion('plumb_bob', (0.1, bad, 0.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    ('model', 'counts'),
    [
        ('plumb_bob', (4, 5, 8, 12, 14)),
        ('rational_polynomial', (4, 5, 8, 12, 14)),
        ('equidistant', (4,)),
        ('fisheye', (4,)),
        ('', ()),
    ],
)
def test_how_many_coefficients_a_model_has(model: str, counts: tuple[int, ...]) -> None:
    for count in range(1, 16):
        lens = Distortion(model, (0.001,) * count)
        if count in counts:
            assert Rectifier(CAMERA, lens)(np.zeros((240, 320, 3), np.uint8)).shape[2] == 3
        else:
            with pytest.raises(DistortionError, match=f'with {plural(count, "coefficient")}'):
                Rectifier(CAMERA, lens)


@pytest.mark.parametrize(
    ('model', 'd', 'same_as'),
    [
        ('plumb_bob', (-0.3, 0.1, 0.001, -0.002, 0.05, 0.0, 0.0, 0.0), BENT),
        ('plumb_bob', (-0.3, 0.1, 0.0, 0.0, 0.0, 0.0), (-0.3, 0.1, 0.0, 0.0)),
        ('Brown-Conrady', LENSES['plumb_bob'], LENSES['plumb_bob']),
        ('rational_polynomial', (*RATIONAL, *[0.0] * 4), RATIONAL),
    ],
)  # fmt: skip
def test_zeros_at_the_end_and_other_names_mean_the_same(
    model: str, d: tuple[float, ...], same_as: tuple[float, ...]
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    expected = cv2.undistort(image, MATRIX, np.array(same_as))
    found = Rectifier(CAMERA, Distortion(model, d))(image)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_wide_fisheye_is_as_opencv_has_it() -> None:
    """150 degrees across: r = theta at 122 px per radian."""
    camera = Intrinsics(320, 240, 122.0, 122.0, 159.5, 119.5)
    image = np.random.default_rng(2).integers(0, 256, (240, 320, 3), np.uint8)
    matrix, d = (
        np.array([[122.0, 0, 159.5], [0, 122, 119.5], [0, 0, 1]]),
        np.array([0.02, 0, 0, 0]),
    )
    expected = cv2.fisheye.undistortImage(image, matrix, d, Knew=matrix)
    found = Rectifier(camera, Distortion('fisheye', tuple(d)))(image)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_fisheye_bends_the_image_with_coefficients_of_zero_too() -> None:
    assert not Distortion('equidistant', (0.0,) * 4).is_none
    assert Distortion('equidistant', ()).is_none
