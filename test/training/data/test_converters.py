"""Converters lose nothing, or say what: names, turned regions, other kinds, late stamps."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip('torch')

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import load
from training.data import manifest_samples, to_manifest
from training.data.bag_frames import nearest, slop_of
from training.data.drawing import ellipse_corners, polygon_mask
from training.data.image_search import ImageSearch
from training.data.manifest_writer import split_of

RED = (0, 0, 255)  # in OpenCV's order
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')


def converted(kind: str, content: Any, folder: Path, *options: str) -> Path:
    (folder / 'a.json').write_text(json.dumps(content))
    command = [kind, str(folder / 'a.json'), str(folder / 'out'), '--images', str(folder)]
    load.cache_clear()
    return to_manifest.convert(to_manifest.options_from([*command, *options]))


def region(kind: str, **value: Any) -> dict[str, Any]:
    size = {'original_width': 200, 'original_height': 100}
    return {**size, 'type': kind, 'value': {**value, kind: ['thing']}}


def task(*regions: dict[str, Any], image: str = 'a.png', key: str = 'annotations') -> Any:
    return {'data': {'image': image}, key: [{'result': list(regions)}]}


def overlap(path: Path) -> float:
    """IoU of class 0 with what is red in the picture."""
    sample = manifest_samples.read(path, '0')
    drawn = sample.rgb[..., 0].astype(int) > sample.rgb[..., 1] + 80
    return float(((sample.labels == 0) & drawn).sum() / ((sample.labels == 0) | drawn).sum())


def test_a_turned_rectangle(tmp_path: Path) -> None:
    """Clockwise about its top left corner."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    v, u = np.mgrid[:100, :200] + 0.5 - np.array([50, 100])[:, None, None]
    inside = (abs(u * c + v * s) < 60) & (abs(v * c - u * s) < 10)
    cv2.imwrite(str(tmp_path / 'a.png'), np.where(inside[..., None], RED, (0, 0, 0)))
    x, y = 100 - 60 * c + 10 * s, 50 - 60 * s - 10 * c
    box = {'x': x / 2, 'y': y, 'width': 60, 'height': 20, 'rotation': 30}
    path = converted('label_studio', [task(region('rectanglelabels', **box))], tmp_path)
    assert overlap(path) > 0.999


def test_an_ellipse_and_other_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    cv2.ellipse(picture, (100, 50), (40, 20), 60, 0, 360, RED, -1)
    cv2.imwrite(str(tmp_path / 'a.png'), picture)
    shape = {'x': 50, 'y': 50, 'radiusX': 20, 'radiusY': 20, 'rotation': 60}
    others = [region('keypointlabels', x=1, y=1, width=1), region('vectorlabels', vertices=[])]
    guess = task(region('rectanglelabels', x=0, y=0, width=9, height=9), key='predictions')
    content = [
        task(region('ellipselabels', **shape), *others, others[0]),
        guess | {'data': {'image': 'b.png'}},
    ]
    cv2.imwrite(str(tmp_path / 'b.png'), picture)
    assert overlap(converted('label_studio', content, tmp_path)) > 0.93
    said = capsys.readouterr().out
    assert (
        '4 of 5 regions left out: 2 key points, 1 region that only a model has predicted' in said
    )
    path = converted('label_studio', content, tmp_path, '--predictions')
    assert (manifest_samples.read(path, '1').labels == 0).sum() == 18 * 9


def test_shapes_and_labels_in_two_results(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((100, 200, 3), np.uint8))
    box = {'x': 0, 'y': 0, 'width': 50, 'height': 10}
    bare = {'id': 'r1', 'type': 'rectangle', 'value': box}
    named = {'id': 'r1', 'type': 'labels', 'value': {**box, 'labels': ['thing']}}
    path = converted('label_studio', [task(bare, named)], tmp_path)
    assert (manifest_samples.read(path, '0').labels == 0).sum() == 100 * 10


def test_pixels_whose_centre_lies_inside() -> None:
    square = np.array([[1, 1], [3, 1], [3, 2], [1, 2]], float)
    assert np.argwhere(polygon_mask(square, (4, 5))).tolist() == [[1, 1], [1, 2]]
    area = polygon_mask(ellipse_corners(np.array([50, 50]), np.array([30, 20]), 20), (100, 100))
    assert area.sum() == pytest.approx(np.pi * 600, rel=0.01)


def coco(*rows: dict[str, Any], names: tuple[str, ...] = ('a.png',)) -> dict[str, Any]:
    images = [{'id': k, 'file_name': n, 'width': 20, 'height': 10} for k, n in enumerate(names)]
    full = [
        {'id': k, 'image_id': 0, 'category_id': 1, 'iscrowd': 0, 'area': 4, **row}
        for k, row in enumerate(rows, 1)
    ]
    kinds = [{'id': 1, 'name': 'car'}, {'id': 2, 'name': 'car'}]
    return {'images': images, 'annotations': full, 'categories': kinds}


SQUARE = {'segmentation': [[0, 0, 4, 0, 4, 4, 0, 4]]}
BOX = {'bbox': [10, 2, 5, 3]}


def test_rows_without_a_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((10, 20, 3), np.uint8))
    rows = (SQUARE, BOX, {**BOX, 'segmentation': []}, {'keypoints': [1, 2, 2]})
    flat = {'segmentation': SQUARE['segmentation'][0]}
    path = converted('coco', coco(flat, *rows[1:]), tmp_path)
    assert (manifest_samples.read(path, '0').labels == 0).sum() == 16
    said = capsys.readouterr().out
    assert '3 of 4 regions left out: 2 boxes without a mask, 1 set of key points.' in said
    path = converted('coco', coco(*rows), tmp_path, '--fill-boxes', '--background', 'rest')
    labels = manifest_samples.read(path, '0').labels
    assert (labels[2:5, 10:15] == 0).all()
    assert (labels == 1).sum() == 200 - 16 - 15
    with pytest.raises(DataError, match='has no mask to convert: 1 of 1 region left out: 1 box'):
        converted('coco', coco(BOX), tmp_path)


def test_same_names_in_several_folders(tmp_path: Path) -> None:
    for side, grey in (('front', 50), ('rear', 90)):
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / '1 a.png'), np.full((10, 20, 3), grey, np.uint8))
    names = ('front/1%20a.png', 'rear/1 a.png')
    path = converted('coco', coco(SQUARE, {**BOX, 'image_id': 1}, names=names), tmp_path)
    found = [manifest_samples.read(path, str(k)).rgb[0, 0, 0] for k in (0, 1)]
    assert found == [50, 90]
    assert [f['image'] for f in load(path).frames] == [
        'images/front_1 a.png',
        'images/rear_1 a.png',
    ]


def test_names_that_lead_to_one_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((10, 20, 3), np.uint8))
    search = ImageSearch(tmp_path, tmp_path / 'a.json')
    assert search.find('/data/local-files/?d=photos/1.png') == tmp_path / '1.png'
    with pytest.raises(DataError, match='both lead to'):
        search.find('rear/1.png')
    assert search.find('ab12cd34-2.png') is None
    assert search.find('front-1.png') is None


@pytest.mark.parametrize(('orientation', 'size'), [(6, (10, 20)), (6, (20, 10)), (3, (20, 10))])
def test_images_turned_by_exif(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    """Annotated as shown, or as stored: the labels fit either way."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new('RGB', (20, 10)).save(tmp_path / 'a.png', exif=exif)
    content = coco(SQUARE)
    content['images'][0] |= {'width': size[0], 'height': size[1]}
    sample = manifest_samples.read(converted('coco', content, tmp_path), '0')
    assert sample.rgb.shape[:2] == sample.labels.shape == size[::-1]


def test_labels_a_millisecond_late() -> None:
    images = [0, 100, 200]
    assert slop_of(images, None) == 50
    assert nearest([1, 103, 98, 160], images, 30) == {1: 0, 98: 100}
    assert nearest([160], images, 50) == {160: 200}
    assert slop_of(images, 2.5) == 2_500_000


def test_validation_takes_blocks() -> None:
    found = [split_of(k, 100) for k in range(100)]
    assert [k for k, split in enumerate(found) if split == 'val'] == [
        *range(40, 50),
        *range(90, 100),
    ]
    assert [split_of(k, 6) for k in range(6)] == ['train'] * 5 + ['val']
    assert [split_of(k, 3) for k in range(3)] == ['train'] * 3
