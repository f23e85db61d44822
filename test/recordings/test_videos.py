"""Videos as people have them: rotated, with irregular times, broken off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtscene_ros.camera.images import ImageError
from mtscene_ros.recordings import videos

from .mp4_boxes import set_steps, ticks_per_s, turn, write_video


def read(path: Path) -> tuple[list[float], list[np.ndarray], list[str]]:
    """Times, images and sentences."""
    stated, notes = videos.about(path), list[str]()
    assert stated is not None
    found = [(t, image().rgb) for t, image in videos.file_images(path, stated, notes.append)]
    return [t for t, _ in found], [rgb for _, rgb in found], notes


def test_times_and_pixels(tmp_path: Path) -> None:
    times_s, images, notes = read(write_video(tmp_path / 'a.mp4', 5))
    assert times_s == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert notes == []
    assert images[4].shape == (32, 64, 3)
    assert images[4][16, 8].tolist() == pytest.approx([16, 0, 0], abs=6)  # red, not blue


def test_what_a_file_states(tmp_path: Path) -> None:
    stated = videos.about(write_video(tmp_path / 'a.mp4', 30, 15.0))
    assert stated is not None
    assert (stated.frames, stated.duration_s) == (30, pytest.approx(2))
    assert (stated.rate_hz, stated.mean_hz) == (pytest.approx(15, rel=1e-3), pytest.approx(15))


def test_a_phone_held_upright(tmp_path: Path) -> None:
    """64x32 turned a quarter clockwise: the red left half becomes the upper half."""
    path = write_video(tmp_path / 'a.mp4', 20)
    turn(path)
    rgb = read(path)[1][19]
    assert rgb.shape == (64, 32, 3)
    assert rgb[8, 16, 0] > 60
    assert rgb[56, 16, 0] < 20


def test_irregular_times(tmp_path: Path) -> None:
    """Steps of 0.1 s, then of 0.3 s."""
    path = write_video(tmp_path / 'a.mp4', 6)
    tick = ticks_per_s(path) // 10
    set_steps(path, [(3, tick), (3, 3 * tick)])
    assert read(path)[0] == pytest.approx([0, 0.1, 0.2, 0.3, 0.6, 0.9])
    stated = videos.about(path)
    assert stated is not None
    assert stated.rate_hz == pytest.approx(10)


def test_a_video_that_was_cut_off_says_where(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'a.avi', 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    times_s, _, notes = read(path)
    assert 5 < len(times_s) < 30
    [note] = notes
    assert note.startswith(f'a.avi can be read for {times_s[-1]:.1f} of its 4.0 s only')


def test_an_index_that_is_missing_is_no_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'a.mp4', 40)
    path.write_bytes(path.read_bytes()[:-600])
    assert videos.about(path) is None


@pytest.mark.parametrize(
    ('place', 'live'),
    [('0', True), ('/dev/video2', True), ('rtsp://a/b', True), ('a.mp4', False), ('1.mp4', False)],
)
def test_what_is_live(place: str, live: bool) -> None:
    assert videos.is_live(place) is live


def test_a_camera_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ImageError, match=r'^There is no camera /dev/video99 .*this machine has'):
        next(videos.live_images('/dev/video99', print))
