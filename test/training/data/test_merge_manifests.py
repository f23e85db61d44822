"""Manifests with other tables become one, whose ids mean what the names say."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import load
from training.data import manifest_samples
from training.data.merge_manifests import merged

IDS = np.array([[0, 1, 255]], np.uint8)


def manifest(folder: Path, head: str, frame: str = '') -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), np.zeros((1, 3, 3), np.uint8))
    cv2.imwrite(str(folder / 'ids.png'), IDS)
    cv2.imwrite(str(folder / 'd.png'), np.full((1, 3), 256, np.uint16))
    row = f'{{image: a.png, semantic: ids.png{frame}}}'
    (folder / 'm.yaml').write_text(f'{head}\nframes: [{row}]\n')
    return folder / 'm.yaml'


def test_classes_are_joined_by_name(tmp_path: Path) -> None:
    camera = 'camera: {fx_px: 5, fy_px: 5, cx_px: 1, cy_px: 0}'
    walk = 'maps: {walk: {classes: [yes, no]}}'
    first = manifest(
        tmp_path / 'x', f'semantic: [road, car]\n{walk}\n{camera}', ', maps: {walk: ids.png}'
    )
    head = 'semantic: [car, tree]\nbackground: sky\ndepth_scale: 256\n'
    head += walk.replace('yes, no', 'no')
    second = manifest(tmp_path / 'y', head, ', depth: d.png')
    path = merged([first, second], tmp_path / 'out')
    found = load(path)
    assert [c.name for c in found.semantic] == ['road', 'car', 'tree', 'sky']
    one, two = (manifest_samples.read(path, name) for name in manifest_samples.names(path, 'all'))
    assert one.labels.tolist() == [[0, 1, 255]]
    assert two.labels.tolist() == [[1, 2, 3]]
    assert one.maps['walk'].tolist() == [[0, 1, 255]]
    assert (one.intrinsics.fx_px, two.depth_m[0, 0]) == (5, 1)
    assert (tmp_path / 'out/0_x').is_symlink()


def test_a_map_of_two_kinds(tmp_path: Path) -> None:
    paths = [
        manifest(tmp_path / 'x', 'semantic: [a, b]\nmaps: {wet: {}}'),
        manifest(tmp_path / 'y', 'semantic: [a, b]\nmaps: {wet: {classes: [no]}}'),
    ]
    with pytest.raises(DataError, match='the map wet has classes in one manifest only'):
        merged(paths, tmp_path / 'out')
