"""A user's own frames: what is read, what is refused, and what training.check_data reports."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip('torch')

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import load
from training import check_data
from training.data import manifest_samples

BOX = {'class': 'cart', 'center_m': [0.5, 0.2, 6.0], 'size_m': [1.2, 0.8, 1.0], 'yaw_rad': 0.3}


def written(folder: Path, **changes: Any) -> Path:
    """Writes two frames of 32x24 px: one with every label, one with an image alone."""
    ids = np.zeros((24, 32), np.uint8)
    ids[12:] = 1
    cv2.imwrite(str(folder / 'a.png'), np.full((24, 32, 3), 90, np.uint8))
    cv2.imwrite(str(folder / 'ids.png'), ids)
    cv2.imwrite(str(folder / 'mm.png'), np.full((24, 32), 2500, np.uint16))
    np.save(folder / 'wet.npy', np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32))
    (folder / 'boxes.json').write_text(json.dumps([BOX]))
    frame = {'image': 'a.png', 'semantic': 'ids.png', 'depth': 'mm.png', 'boxes3d': 'boxes.json'}
    content: dict[str, Any] = {
        'semantic': ['floor', 'wall'],
        'boxes3d': ['cart'],
        'maps': {'wetness': {}, 'walkable': {'classes': ['no', 'yes']}},
        'camera': {'fx_px': 30, 'fy_px': 30, 'cx_px': 15.5, 'cy_px': 11.5},
        'frames': [
            {**frame, 'maps': {'wetness': 'wet.npy', 'walkable': 'ids.png'}},
            {'image': 'a.png', 'split': 'val', 'camera': {'fx_px': 60, **CENTER}},
        ],
    }
    path = folder / 'm.yaml'
    path.write_text(yaml.safe_dump(content | changes))
    load.cache_clear()
    return path


CENTER = {'fy_px': 60, 'cx_px': 1, 'cy_px': 2}


def test_any_subset_of_tasks(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert (manifest_samples.names(path, 'train'), manifest_samples.names(path, 'val')) == (
        ['0'],
        ['1'],
    )
    full, bare = manifest_samples.read(path, '0'), manifest_samples.read(path, '1')
    assert full.labels[0, 0] == 0
    assert full.labels[23, 0] == 1
    assert full.depth_m[5, 5] == 2.5
    np.testing.assert_allclose(full.centers_m, [BOX['center_m']])
    assert full.yaw_rad[0] == pytest.approx(0.3)
    assert full.maps['wetness'][23, 31] == 1
    assert full.maps['walkable'].dtype == np.uint8
    assert (bare.labels == 255).all()
    assert np.isnan(bare.depth_m).all()
    assert not bare.has_boxes
    assert (full.intrinsics.fx_px, bare.intrinsics.fx_px) == (30, 60)


def test_frames_from_a_table(tmp_path: Path) -> None:
    rows = 'image,split,semantic,maps.walkable,fx_px,fy_px,cx_px,cy_px\n'
    rows += 'a.png,val,ids.png,ids.png,30,31,15,11\na.png,,,,,,,\n'
    (tmp_path / 'frames.csv').write_text(rows)
    path = written(tmp_path, frames='frames.csv')
    assert (manifest_samples.names(path, 'val'), manifest_samples.names(path, 'train')) == (
        ['0'],
        ['1'],
    )
    assert manifest_samples.read(path, '0').intrinsics.fy_px == 31
    assert list(manifest_samples.read(path, '0').maps) == ['walkable']


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'frames': []}, 'lists no frames'),
        ({'frame': []}, "a manifest has no key 'frame'; did you mean frames"),
        ({'frames': [{'image': 'a.png', 'semantics': 'x'}]}, 'did you mean semantic'),
        ({'frames': [{'semantic': 'ids.png'}]}, 'frame 0 has no image'),
        ({'frames': [{'image': '../a.png'}]}, r'\.\./a\.png lies outside'),
        ({'frames': [{'image': 'b.png'}]}, r'b\.png is missing'),
        ({'frames': [{'image': 'a.png', 'depth': 'ids.png'}]}, 'depth images need 16 bits'),
        ({'frames': [{'image': 'a.png', 'maps': {'wettness': 'x'}}]}, 'did you mean wetness'),
        ({'semantic': ['floor']}, r'ids\.png has the class id 1; ids go from 0 to 0'),
        ({'boxes3d': ['car']}, "'cart' is not a class of boxes3d"),
        ({'semantic': 'cityscape'}, 'is not a list of classes'),
        ({'camera': {'fx_px': 30}}, 'calibration is broken'),
        ({'camera': {'fx_px': -1, **CENTER}}, 'focal lengths'),
    ],
)
def test_refusals(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(DataError, match=sentence):
        manifest_samples.read(path, '0')


def test_no_code_is_run(tmp_path: Path) -> None:
    (tmp_path / 'm.yaml').write_text('frames: !!python/object/apply:os.system [exit]')
    with pytest.raises(DataError, match='is not YAML'):
        load(tmp_path / 'm.yaml')


def test_check_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    assert check_data.main(['manifest', str(path)]) == 0
    printed = capsys.readouterr().out
    assert 'labels: 1 frame, 50.0 % of all pixels' in printed
    assert f'  id   1  50.00 % {"#" * 20:40s} wall\n' in printed
    assert 'splits: train 1, val 1' in printed
    assert 'depth from 2.50 to 2.50 m' in printed
    assert 'maps' not in printed
    assert 'from 0 to 1' in printed
    wrong = [{**BOX, 'center_m': [0, 0, -4.0]}, {**BOX, 'center_m': [90.0, 0, 5.0]}]
    (tmp_path / 'boxes.json').write_text(json.dumps(wrong))
    assert check_data.main(['manifest', str(path)]) == 1
    printed = capsys.readouterr().out
    assert 'box 0 at [0.0, 0.0, -4.0] m lies behind the camera' in printed
    assert 'box 1 at [90.0, 0.0, 5.0] m does not project into the image' in printed
    assert '2 complaints' in printed


def test_check_data_of_a_set_that_teaches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = {'image': 'a.png', 'semantic': 'ids.png'}
    path = written(tmp_path, frames=[bare], boxes3d=['cart'], maps={})
    cv2.imwrite(str(tmp_path / 'ids.png'), np.full((24, 32), 255, np.uint8))
    assert check_data.main(['manifest', str(path)]) == 1
    assert '! 0 of 1 image has labels.' in capsys.readouterr().out
    cv2.imwrite(str(tmp_path / 'ids.png'), np.zeros((24, 32), np.uint8))
    assert check_data.main(['manifest', str(path)]) == 1
    printed = capsys.readouterr().out
    assert '! 0 of 1 image has labels of boxes3d' in printed
    assert 'warning: No pixel is wall.' in printed
    assert 'warning: Every labelled pixel is floor.' in printed


def test_the_page_of_a_data_set(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert check_data.main(['manifest', str(path), '-o', str(tmp_path / 'p.html')]) == 0
    page = (tmp_path / 'p.html').read_text()
    assert page.count('<figure>') == 6  # five kinds of labels, and an image without
    assert 'a.png' not in page
    assert 'cart: 1' in page
    assert '0, boxes3d</figcaption>' in page
