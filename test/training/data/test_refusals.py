"""Broken data sets are refused in one sentence that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from mtscene_ros.datasets.label_files import DataError
from training.data import DATASETS

Harm = Callable[[Path], None]


def gone(path: Path) -> None:
    path.unlink()


def garbled(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def wrong_id(path: Path) -> None:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), np.full_like(image, 77))


def no_focal_length(path: Path) -> None:
    found = json.loads(path.read_text())
    found['intrinsic']['fx'] = 'wide'
    path.write_text(json.dumps(found))


def no_baseline(path: Path) -> None:
    found = json.loads(path.read_text())
    found['extrinsic']['baseline'] = 0
    path.write_text(json.dumps(found))


CASES: list[tuple[str, str, Harm]] = [
    ('nyud', 'images/{}.png', gone),
    ('nyud', 'images/{}.png', garbled),
    ('nyud', 'segmentation/{}.png', wrong_id),
    ('nyud', 'depth/{}.npy', garbled),
    ('nyud', 'normals/{}.png', gone),
    ('pascal_context', 'JPEGImages/{}.jpg', garbled),
    ('pascal_context', 'human_parts/{}.mat', garbled),
    ('pascal_context', 'pascal-context/trainval/{}.mat', gone),
    ('pascal_context', 'semseg/VOC12/{}.png', wrong_id),
    ('cityscapes3d', 'leftImg8bit/{}_leftImg8bit.png', garbled),
    ('cityscapes3d', 'gtFine/{}_gtFine_labelIds.png', wrong_id),
    ('cityscapes3d', 'camera/{}_camera.json', no_focal_length),
    ('cityscapes3d', 'camera/{}_camera.json', no_baseline),
    ('cityscapes3d', 'camera/{}_camera.json', garbled),
    ('cityscapes3d', 'gtBbox3d/{}_gtBbox3d.json', gone),
    ('camvid', '{}', garbled),
]


@pytest.mark.parametrize(('layout', 'file', 'harm'), CASES)
def test_names_the_file(
    miniatures: Path, tmp_path: Path, layout: str, file: str, harm: Harm
) -> None:
    shutil.copytree(miniatures / layout, tmp_path / layout)
    name = DATASETS[layout].names(tmp_path / layout, 'val')[0]
    path = tmp_path / layout / file.format(name)
    harm(path)
    with pytest.raises(DataError, match=path.stem) as caught:
        DATASETS[layout].read(tmp_path / layout, name)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('layout', sorted(DATASETS))
def test_a_missing_folder(tmp_path: Path, layout: str) -> None:
    with pytest.raises(DataError, match='nowhere'):
        DATASETS[layout].names(tmp_path / 'nowhere', 'val')


def test_normals_of_pascal_need_the_names_of_the_labels(miniatures: Path, tmp_path: Path) -> None:
    shutil.copytree(miniatures / 'pascal_context', tmp_path / 'p')
    path = tmp_path / 'p/pascal-context/labels.txt'
    name = DATASETS['pascal_context'].names(tmp_path / 'p', 'val')[0]
    path.write_text('1: cow\n')
    with pytest.raises(DataError, match=r'labels\.txt names no class that NYU has too'):
        DATASETS['pascal_context'].read(tmp_path / 'p', name)
    path.unlink()
    with pytest.raises(DataError, match=r'labels\.txt is missing; it is part of PASCAL-Context'):
        DATASETS['pascal_context'].read(tmp_path / 'p', name)
