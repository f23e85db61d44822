"""Converts bags, COCO, Label Studio and KITTI to manifests."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from mtscene_ros.datasets.manifest import load
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.worlds import SEQUENCES
from mtscene_ros.worlds.as_moment import moment_from_world
from training.data import manifest_samples, to_manifest
from training.data.label_studio import decoded_brush

KITTI = Path(__file__).parents[4] / 'shared/data/kitti_tracking_0001'


def converted(arguments: list[str]) -> Path:
    return to_manifest.convert(to_manifest.options_from(arguments))


def test_bag(tmp_path: Path) -> None:
    frames = list(SEQUENCES['drive'](3, 4, 10.0, 128, 64))
    write_recording(tmp_path / 'd.mcap', (moment_from_world(f) for f in frames))
    topics = ['--labels', '/truth/semantic', '--label-info', '/truth/label_info']
    topics += ['--depth', '/truth/depth', '--boxes', '/truth/detections_3d', '--every', '2']
    path = converted(['bag', str(tmp_path / 'd.mcap'), str(tmp_path / 'out'), *topics])
    assert len(manifest_samples.names(path, 'all')) == 2
    sample, frame = manifest_samples.read(path, '1'), frames[2]
    np.testing.assert_array_equal(sample.rgb, frame.rgb)
    np.testing.assert_array_equal(sample.labels, frame.labels)
    np.testing.assert_array_equal(sample.depth_m, frame.depth_m)
    assert sample.intrinsics == frame.intrinsics
    np.testing.assert_allclose(sample.centers_m, frame.boxes.centers_m)
    assert [c.name for c in load(path).semantic] == [c.name for c in frame.classes]


def photo(folder: Path) -> None:
    cv2.imwrite(str(folder / 'p.png'), np.zeros((40, 50, 3), np.uint8))


@pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')  # pycocotools
def test_coco(tmp_path: Path) -> None:
    photo(tmp_path)
    square = [[10, 10, 20, 10, 20, 20, 10, 20]]
    row = {'id': 1, 'image_id': 7, 'iscrowd': 0, 'area': 100, 'bbox': [10, 10, 10, 10]}
    content = {
        'images': [{'id': 7, 'file_name': 'p.png', 'width': 50, 'height': 40}],
        'categories': [{'id': 4, 'name': 'cup'}, {'id': 2, 'name': 'table'}],
        'annotations': [{**row, 'category_id': 4, 'segmentation': square}],
    }
    (tmp_path / 'c.json').write_text(json.dumps(content))
    arguments = ['coco', str(tmp_path / 'c.json'), str(tmp_path / 'out')]
    path = converted([*arguments, '--images', str(tmp_path)])
    labels = manifest_samples.read(path, '0').labels
    assert [c.name for c in load(path).semantic] == ['table', 'cup']
    assert labels[15, 15] == 1
    assert (labels == 1).sum() == pytest.approx(100, abs=1)
    assert labels[30, 30] == 255


def test_label_studio(tmp_path: Path) -> None:
    photo(tmp_path)
    size = {'original_width': 50, 'original_height': 40}
    corners = [[0, 0], [40, 0], [40, 50], [0, 50]]  # percent
    polygon = {**size, 'value': {'points': corners, 'polygonlabels': ['road']}}
    square = {'x': 60, 'y': 50, 'width': 20, 'height': 25, 'rectanglelabels': ['car']}
    task = {
        'data': {'image': '/data/upload/3/1a2b-p.png'},
        'annotations': [{'result': [polygon, {**size, 'value': square}]}],
    }
    (tmp_path / 'l.json').write_text(json.dumps([task]))
    arguments = ['label_studio', str(tmp_path / 'l.json'), str(tmp_path / 'out')]
    path = converted([*arguments, '--images', str(tmp_path), '--classes', 'road', 'car'])
    labels = manifest_samples.read(path, '0').labels
    assert labels[5, 5] == 0
    assert (labels == 1).sum() == 10 * 10
    assert labels[20, 30] == 1
    assert labels[39, 49] == 255


def test_brush_strokes() -> None:
    """Six values: 255 three times, then 1, 2, 3; the widths of lengths are 3, 4, 9 and 16 bits."""
    stream = f'{6:032b}' + f'{7:05b}' + ''.join(f'{w - 1:04b}' for w in (3, 4, 9, 16))
    stream += '1' + '00' + f'{2:03b}' + f'{255:08b}'
    stream += '0' + '01' + f'{2:04b}' + ''.join(f'{v:08b}' for v in (1, 2, 3))
    stream += '0' * (-len(stream) % 8)
    encoded = [int(stream[k : k + 8], 2) for k in range(0, len(stream), 8)]
    assert decoded_brush(encoded).tolist() == [255, 255, 255, 1, 2, 3]


@pytest.mark.skipif(not KITTI.is_dir(), reason='../shared is absent')
def test_kitti(tmp_path: Path) -> None:
    options = ['--layout', 'kitti_tracking', '--split', '0001']
    path = converted(['kitti', str(KITTI), str(tmp_path / 'k'), *options])
    assert len(manifest_samples.names(path, 'all')) == 31
    sample = manifest_samples.read(path, '0')
    assert len(sample.class_ids) > 3
    assert 0 < np.isfinite(sample.depth_m).mean() < 0.1  # the share of pixels that the LiDAR hits


def test_empty_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'c.json').write_text('[]')
    command = ['coco', str(tmp_path / 'c.json'), str(tmp_path / 'o'), '--images', str(tmp_path)]
    with pytest.raises(ValueError, match=r'c\.json is not a COCO annotation'):
        converted(command)
