"""What a user names → images in their order, or one sentence."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mtscene_ros.recordings.image_sources import (
    SourceError,
    SourceImage,
    chosen,
    is_picture,
    sources_of,
    unique_names,
)
from mtscene_ros.types import CameraFrame


def picture(path: Path, value: int = 0) -> Path:
    assert cv2.imwrite(str(path), np.full((4, 6, 3), value, np.uint8))
    return path


def names(places: list[str]) -> list[str]:
    [source] = sources_of(places)
    return [image.name for image in source.images(print)]


def test_a_folder_in_the_order_of_people(tmp_path: Path) -> None:
    for name in ('10.png', '9.png', 'a.txt', 'b2.jpg', 'b11.jpg'):
        picture(tmp_path / name) if name != 'a.txt' else (tmp_path / name).touch()
    assert names([str(tmp_path)]) == ['9', '10', 'b2', 'b11']
    assert names([str(tmp_path / '*.png')]) == ['9', '10']


def test_pictures_named_one_by_one_are_one_source(tmp_path: Path) -> None:
    first, second = picture(tmp_path / 'b.png', 7), picture(tmp_path / 'a.png', 8)
    [source] = sources_of([str(first), str(second)])
    assert (source.total, source.is_moving) == (2, False)
    assert [image.read().rgb[0, 0, 0] for image in source.images(print)] == [7, 8]


def test_names_stay_apart() -> None:
    paths = [Path('x/a.jpg'), Path('y/a.png'), Path('a-2.png'), Path('a.bmp')]
    assert unique_names(paths) == ['a', 'a-2', 'a-2-2', 'a-3']


def test_a_picture_is_known_by_its_content_too(tmp_path: Path) -> None:
    path = picture(tmp_path / 'a.png').rename(tmp_path / 'download')
    assert is_picture(path)
    (tmp_path / 'text').write_text('no picture')
    assert not is_picture(tmp_path / 'text')


def test_every_start_and_duration() -> None:
    """Images each 0.5 s; from 1 s on for 2 s: 1.0, 1.5, 2.0, 2.5, of which every second."""
    frame = CameraFrame(np.zeros((1, 1, 3), np.uint8), None, 0, '')
    images = (SourceImage(str(k), k / 2, lambda: frame) for k in range(100))
    assert [image.name for image in chosen(images, 2, 1.0, 2.0)] == ['2', '4']


@pytest.mark.parametrize(
    ('place', 'sentence'),
    [
        ('nothing.mp4', 'There is no file, folder or camera'),
        ('*.webp', 'Nothing matches'),
        ('.', r'holds no pictures .*its 1 video can be named'),
        ('v.mp4', 'neither a picture nor a recording nor a video'),
    ],
)
def test_what_holds_no_images_is_one_sentence(
    place: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'v.mp4').write_bytes(b'no video')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=sentence):
        sources_of([place])
