"""Annotations of other tools: each draws the same square, ring and box, checked by hand."""

import base64
import json
import zlib
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
from training.data.sample import Sample

SIZE = 'width="20" height="10"'
BLOCK = [[2, 1], [8, 1], [8, 5], [2, 5]]  # 6 x 4 px


def converted(kind: str, source: Path, *options: str) -> Path:
    load.cache_clear()
    command = [kind, str(source), str(source.parent / 'out'), *options]
    return to_manifest.convert(to_manifest.options_from(command))


def sample_of(path: Path, number: int = 0) -> Sample:
    return manifest_samples.read(path, str(number))


def names(path: Path) -> list[str]:
    return [c.name for c in load(path).semantic]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((10, 20, 3), np.uint8))
    return path


def is_block(labels: np.ndarray, number: int) -> bool:
    want = np.zeros((10, 20), bool)
    want[1:5, 2:8] = True
    return bool(((labels == number) == want).all())


def png(values: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode('.png', values)[1].tobytes()).decode()


def test_labelme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = picture(tmp_path / 'set/b/a.png').parent.parent
    mask = {'shape_type': 'mask', 'points': [[10, 6], [13, 8]], 'mask': png(np.eye(3, 4) > 0)}
    shapes: list[dict[str, Any]] = [
        {'label': 'road', 'shape_type': 'polygon', 'points': BLOCK},
        {'label': 'car', 'shape_type': 'rectangle', 'points': [[20, 10], [16, 8]]},
        {'label': 'car', 'shape_type': 'circle', 'points': [[15, 3], [15, 5]]},
        {'label': 'pole', 'shape_type': 'line', 'points': [[0, 0], [5, 5]]},
        {'label': 'dot', **mask, 'mask': png((np.eye(3, 4) > 0).astype(np.uint8))},
    ]
    content = {'imagePath': 'a.png', 'imageWidth': 20, 'imageHeight': 10, 'shapes': shapes}
    (folder / 'b/a.json').write_text(json.dumps(content))
    path = converted('labelme', folder)
    labels = sample_of(path).labels
    assert names(path) == ['car', 'dot', 'road']
    assert is_block(labels, 2)
    assert (labels[8:, 16:] == 0).all()
    assert (labels == 0).sum() - 8 == pytest.approx(np.pi * 4, abs=1)
    assert np.argwhere(labels == 1).tolist() == [[6, 10], [7, 11], [8, 12]]
    assert '1 of 5 regions left out: 1 polyline.' in capsys.readouterr().out


def test_cvat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / 'photos/a.png')
    points = ';'.join(f'{x},{y}' for x, y in BLOCK)
    (tmp_path / 'a.xml').write_text(
        f'<annotations><meta><task><labels><label><name>car</name></label><label><name>road'
        f'</name></label></labels></task></meta><image id="0" name="a.png" {SIZE}>'
        f'<box label="car" xtl="0" ytl="0" xbr="20" ybr="10" z_order="-1"/>'
        f'<polygon label="road" points="{points}" z_order="0"/>'
        '<box label="road" xtl="12" ytl="6" xbr="16" ybr="8" rotation="90" z_order="1"/>'
        '<mask label="road" rle="1,1,2" left="18" top="8" width="2" height="2" z_order="2"/>'
        '<polyline label="road" points="1,1;2,2"/><points label="car" points="1,1"/>'
        '</image></annotations>'
    )
    path = converted('cvat', tmp_path / 'a.xml', '--images', str(tmp_path / 'photos'))
    labels = sample_of(path).labels
    labels[5:9, 13:15] -= 1  # the turned box: 2 wide and 4 high about (14, 7)
    labels[8, 19] -= 1
    assert names(path) == ['car', 'road']
    assert is_block(labels, 1)
    assert (labels <= 1).all()
    assert '2 of 6 regions left out: ' in capsys.readouterr().out
    (tmp_path / 'b.xml').write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>')
    with pytest.raises(DataError, match='defines a document type'):
        converted('cvat', tmp_path / 'b.xml', '--images', str(tmp_path / 'photos'))


def test_yolo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ('train', 'val'):
        picture(tmp_path / f'set/images/{split}/a.png')
        (tmp_path / f'set/labels/{split}').mkdir(parents=True)
    corners = ' '.join(f'{x / 20} {y / 10}' for x, y in BLOCK)
    rows = f'1 {corners}\n0 0.9 0.9 0.2 0.2\n1 0.5 0.5 0.1 0.1 0.5\n'
    (tmp_path / 'set/labels/train/a.txt').write_text(rows)
    yaml = 'path: ../datasets/set\ntrain: images/train\nval: images/val\nnames: {0: no, 1: road}\n'
    (tmp_path / 'set.yaml').write_text(yaml)
    path = converted('yolo', tmp_path / 'set.yaml', '--images', str(tmp_path / 'set'))
    assert names(path) == ['no', 'road']
    assert [frame['split'] for frame in load(path).frames] == ['train', 'val']
    assert is_block(sample_of(path).labels, 1)
    said = capsys.readouterr().out
    assert '2 of 3 regions left out: 1 box without a mask (see --fill-boxes), 1 row with' in said
    assert '1 of 2 images have no text file' in said
    options = ['--images', str(tmp_path / 'set'), '--fill-boxes']
    labels = sample_of(converted('yolo', tmp_path / 'set.yaml', *options)).labels
    assert (labels[8:, 16:] == 0).all()


def test_voc(tmp_path: Path) -> None:
    folder = tmp_path / 'VOC'
    picture(folder / 'JPEGImages/a.jpg')
    ids = np.full((10, 20), 255, np.uint8)
    ids[1:5, 2:8] = 7
    image = Image.frombytes('P', (20, 10), ids.tobytes())
    image.putpalette([37 * k % 256 for k in range(768)])
    (folder / 'SegmentationClass').mkdir()
    image.save(folder / 'SegmentationClass/a.png')
    (folder / 'ImageSets/Segmentation').mkdir(parents=True)
    (folder / 'ImageSets/Segmentation/val.txt').write_text('a\n')
    path = converted('voc', folder)
    assert names(path)[7] == 'car'
    assert is_block(sample_of(path).labels, 7)
    assert load(path).frames[0]['split'] == 'val'


def test_boxes_of_voc(tmp_path: Path) -> None:
    """Pixels 3 to 8 and 2 to 5, counted from 1."""
    picture(tmp_path / 'VOC/JPEGImages/a.jpg')
    (tmp_path / 'VOC/Annotations').mkdir()
    box = '<bndbox><xmin>3</xmin><ymin>2</ymin><xmax>8</xmax><ymax>5</ymax></bndbox>'
    size = '<size><width>20</width><height>10</height></size>'
    (tmp_path / 'VOC/Annotations/a.xml').write_text(
        f'<annotation><filename>a.jpg</filename>{size}<object><name>car</name>{box}</object>'
        '</annotation>'
    )
    with pytest.raises(DataError, match='1 box without a mask'):
        converted('voc', tmp_path / 'VOC')
    assert is_block(sample_of(converted('voc', tmp_path / 'VOC', '--fill-boxes')).labels, 0)


def test_masks_in_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / 'photos/s/a.png')
    mask = np.zeros((10, 20, 3), np.uint8)
    mask[1:5, 2:8] = (128, 64, 32)  # in OpenCV's order
    mask[9, :3] = 9
    (tmp_path / 'masks/s').mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'masks/s/a_mask.png'), mask)
    (tmp_path / 't.txt').write_text('# CVAT\nVoid:0,0,0::\nroad lane:32,64,128::\n')
    options = ['--images', str(tmp_path / 'photos'), '--table', str(tmp_path / 't.txt')]
    path = converted('masks', tmp_path / 'masks', *options)
    assert names(path) == ['road lane']
    assert is_block(sample_of(path).labels, 0)
    assert '3 pixels of 1 colour without a name stay unknown' in capsys.readouterr().out


def test_masks_of_ids_and_of_black_and_white(tmp_path: Path) -> None:
    picture(tmp_path / 'photos/a.png')
    mask = np.zeros((10, 20), np.uint8)
    mask[1:5, 2:8] = 255
    picture(tmp_path / 'masks/a.png')
    cv2.imwrite(str(tmp_path / 'masks/a.png'), mask)
    options = ['--images', str(tmp_path / 'photos'), '--classes']
    assert is_block(
        sample_of(converted('masks', tmp_path / 'masks', *options, 'no', 'yes')).labels, 1
    )
    one = sample_of(converted('masks', tmp_path / 'masks', *options, 'crack'))
    assert is_block(one.labels, 0)
    (tmp_path / 't.txt').write_text('0 sky\n255: road\n')
    path = converted('masks', tmp_path / 'masks', *options[:2], '--table', str(tmp_path / 't.txt'))
    assert is_block(sample_of(path).labels, 1)


def test_supervisely(tmp_path: Path) -> None:
    folder = picture(tmp_path / 'p/ds/img/a.png').parents[2]
    bitmap = cv2.imencode('.png', np.full((2, 3), 255, np.uint8))[1].tobytes()
    packed = base64.b64encode(zlib.compress(bitmap)).decode()
    hole = {'exterior': BLOCK, 'interior': [[[4, 2], [6, 2], [6, 4], [4, 4]]]}
    rows = [
        {'classTitle': 'road', 'geometryType': 'polygon', 'points': hole},
        {
            'classTitle': 'car',
            'geometryType': 'bitmap',
            'bitmap': {'data': packed, 'origin': [17, 8]},
        },
        {
            'classTitle': 'car',
            'geometryType': 'rectangle',
            'points': {'exterior': [[4, 2], [6, 4]]},
        },
    ]
    (folder / 'ds/ann').mkdir()
    content = {'size': {'width': 20, 'height': 10}, 'objects': rows}
    (folder / 'ds/ann/a.png.json').write_text(json.dumps(content))
    (folder / 'meta.json').write_text(
        json.dumps({'classes': [{'title': 'road'}, {'title': 'car'}]})
    )
    path = converted('supervisely', folder)
    labels = sample_of(path).labels
    assert names(path) == ['road', 'car']
    assert (labels[8:10, 17:20] == 1).all()
    assert (labels[2:4, 4:6] == 1).all()
    assert (labels == 0).sum() == 24 - 4
